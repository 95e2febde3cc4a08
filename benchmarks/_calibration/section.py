"""The calibration for people: a table in Markdown, and a section of the evaluation's report with a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from arc_fabric.evaluation.statistics import Interval

_SIDE, _PAD = 300, 34


def said(of: Interval) -> str:
    """A rate with its interval.

    >>> said(Interval(0.5, 0.25, 0.75))
    '50% (25% to 75%)'
    """
    return f"{of.rate:.0%} ({of.low:.0%} to {of.high:.0%})"


def verdict(found: Mapping[str, Any]) -> str:
    """How far the two go together, in words."""
    r = "not defined (a rate does not vary)" if found["pearson_r"] is None else f"{found['pearson_r']:.2f}"
    return f"Pearson r {r}, mean absolute difference {found['mean_absolute_difference']:.2f}."


def markdown(found: Mapping[str, Any]) -> str:
    """The table, and what it comes to."""
    lines = ["| task | policy | in the model | in the simulator | n |", "|---|---|---|---|---|"]
    lines += [f"| {r['task']} | {r['policy']} | {said(r['model'])} | {said(r['simulator'])} | {r['n']} |"
              for r in found["rows"]]  # fmt: skip
    return "\n".join([*lines, "", verdict(found)])


def html(found: Mapping[str, Any], command: str) -> str:
    """The same, with a chart: a dot per task and policy, the simulator's rate across, the model's up."""
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    heads = "".join(f"<th>{text}</th>" for text in ("task", "policy", "in the model", "in the simulator", "n"))
    lines = "".join(
        f"<tr><td>{escape(r['task'])}</td><td>{escape(r['policy'])}</td><td>{said(r['model'])}</td>"
        f'<td>{said(r["simulator"])}</td><td class="num">{r["n"]}</td></tr>'
        for r in rows
    )
    return (
        f"<h2>In the model and in the simulator</h2><p>{escape(verdict(found))} A world model that can stand for the "
        "simulator has every dot on the diagonal; n is the number of verdicts in the model. The simulator's own draws "
        f'of chance are as many.</p>{_chart(rows)}<table><tr>{heads}</tr>{lines}</table><p class="faint">Made with '
        f"<code>{escape(command)}</code>; the same colour reader judges both.</p>"
    )


def _chart(rows: Sequence[Mapping[str, Any]]) -> str:
    def x(rate: float) -> float:
        return _PAD + rate * _SIDE

    def y(rate: float) -> float:
        return 8 + (1 - rate) * _SIDE

    marks = []
    for row in rows:
        mine, theirs = row["model"], row["simulator"]
        tip = escape(f"{row['task']}, {row['policy']}: {said(mine)} in the model, {said(theirs)} in the simulator")
        marks.append(
            f'<g stroke="var(--faint)"><path d="M{x(theirs.low):.1f} {y(mine.rate):.1f}H{x(theirs.high):.1f}'
            f'M{x(theirs.rate):.1f} {y(mine.low):.1f}V{y(mine.high):.1f}" opacity=".45"/>'
            f'<circle cx="{x(theirs.rate):.1f}" cy="{y(mine.rate):.1f}" r="4" fill="var(--good)"/>'
            f"<title>{tip}</title></g>"
        )
    ticks = "".join(
        f'<text x="{x(at):.0f}" y="{_SIDE + 24}" text-anchor="middle">{at:.0%}</text>'
        f'<text x="{_PAD - 5}" y="{y(at) + 4:.0f}" text-anchor="end">{at:.0%}</text>'
        for at in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg width="{_SIDE + _PAD + 24}" height="{_SIDE + 48}" role="img" font-size="11" fill="var(--faint)" '
        'aria-label="rate in the model over rate in the simulator">'
        f'<rect x="{_PAD}" y="8" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="var(--line)"/>'
        f'<path d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke="var(--line)" stroke-dasharray="4 4"/>{ticks}'
        f'<text x="{x(0.5):.0f}" y="{_SIDE + 42}" text-anchor="middle">in the simulator</text>{"".join(marks)}</svg>'
    )
