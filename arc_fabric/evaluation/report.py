"""One HTML page of an evaluation: rates with intervals, a matrix of verdicts, videos. It needs nothing else to open."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from arc_fabric.evaluation.results import GROUPS, Row, grouped, summary, word_of

WORDS = {"good": "good", "bad": "bad", "error": "error", "none": "not judged"}
BATCHES = {
    "exact": "exact: the bits of each variant alone",
    "fast": "fast: variants stepped in one forward pass, equal to rounding",
}
MOST_COLUMNS = 64
"""Of the matrix; more seeds than fit the eye are in the table of results."""
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --faint: #5b6470; --line: #d7dce2; --bar: #d9e2ec;
  --good: #1a7f4b; --bad: #c0392b; --error: #8a5a00; --none: #667280 }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e8ebee; --faint: #9aa5b1; --line: #2c333b;
  --bar: #28313a } }
body { font: 15px/1.5 system-ui, sans-serif; background: var(--paper); color: var(--ink); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem } p { margin: .3rem 0 }
.faint { color: var(--faint) } .scroll { overflow-x: auto }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: middle }
th { color: var(--faint); font-weight: 500 } .num { text-align: right; font-variant-numeric: tabular-nums }
.big { font-size: 2.4rem; font-weight: 600; font-variant-numeric: tabular-nums }
.matrix td { padding: 1px } .matrix i { display: block; width: 1.1rem; height: 1.1rem; border-radius: 3px }
.matrix th { font-size: .75rem; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.good { background: var(--good) } .bad { background: var(--bad) } .error { background: var(--error) }
.none { background: var(--none) }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .8rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; overflow: hidden }
figure img { width: 100%; display: block; image-rendering: pixelated; background: var(--bar) }
figcaption { padding: .4rem .5rem; font-size: .8rem }
b.tag { display: inline-block; color: #fff; border-radius: 3px; padding: 0 .35rem; font-weight: 600 }
pre { white-space: pre-wrap; font-size: .8rem; border: 1px solid var(--line); border-radius: 6px; padding: .6rem }
"""


def report(
    evaluation: Mapping[str, Any],
    plan: Mapping[str, Any],
    rows: Sequence[Row],
    clips: Mapping[int, bytes],
    groups: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page. `clips`: variant number -> WebP animation, in the order in which they are shown; `groups`: what scorers
    of groups said."""
    facts = summary(rows)
    title = evaluation.get("label") or evaluation["id"]
    parts = [
        _heading(evaluation, title),
        _headline(evaluation, facts["all"]),
        *(
            _bars(name, groups)
            for name, groups in facts["by"].items()
            if len(groups) <= MOST_COLUMNS and name != "seed"
        ),
        _matrix(rows),
        _over_seeds(groups),
        _clips(rows, clips),
        _provenance(evaluation, plan, rows),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


def _heading(evaluation: Mapping[str, Any], title: str) -> str:
    made = datetime.datetime.fromtimestamp(evaluation["created"], datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    model = escape(str(evaluation["model"].get("name")))
    state = evaluation["state"] + (f": {evaluation['why']}" if evaluation.get("why") else "")
    return f'<h1>{escape(title)}</h1><p class="faint">{model}, begun {made}, {escape(state)}</p>'


def _headline(evaluation: Mapping[str, Any], counts: Mapping[str, Any]) -> str:
    judged = counts["good"] + counts["bad"]
    rate = "no verdicts" if counts["rate"] is None else f"{counts['rate']:.0%}"
    sure = "" if counts["rate"] is None else f"95 % interval {counts['low']:.0%} to {counts['high']:.0%}"
    missing = evaluation["total"] - counts["n"]
    notes = [
        f"{counts['good']} good of {judged} judged",
        *([f"{counts['errors']} ended in an error and count for nothing"] if counts["errors"] else []),
        *([f"{counts['unjudged']} were not judged"] if counts["unjudged"] else []),
        *([f"{missing} of {evaluation['total']} have no result yet"] if missing else []),
    ]
    return f'<p class="big">{rate}</p><p>{sure}</p><p class="faint">{"; ".join(notes)}</p>'


def _bars(name: str, groups: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for group in groups:
        label = "as the checkpoint" if group[name] is None else str(group[name])
        rate = "" if group["rate"] is None else f"{group['rate']:.0%}"
        n = group["good"] + group["bad"]
        mean = "" if group["mean_score"] is None else f"{group['mean_score']:.3f}"
        lines.append(
            f'<tr><td>{escape(label)}</td><td>{_bar(group)}</td><td class="num">{rate}</td>'
            f'<td class="num">{group["good"]}/{n}</td><td class="num">{group["errors"] or ""}</td>'
            f'<td class="num">{mean}</td></tr>'
        )
    heads = ("", "success and 95 % interval", "rate", "good", "errors", "mean score")
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f"<h2>By {escape(name)}</h2><table><tr>{head}</tr>{''.join(lines)}</table>"


def _bar(group: Mapping[str, Any], width: int = 260) -> str:
    """A bar of the rate with its interval as a whisker, 0 to 1."""
    said = f"{group['low']:.0%} to {group['high']:.0%}"
    rate = group["rate"] or 0.0
    low, high = group["low"] * width, group["high"] * width
    return (
        f'<svg width="{width}" height="18" role="img" aria-label="{rate:.0%}, interval {said}">'
        f'<rect width="{width}" height="18" rx="3" fill="var(--bar)"/>'
        f'<rect width="{rate * width:.1f}" height="18" rx="3" fill="var(--good)"/>'
        f'<path d="M{low:.1f} 9H{high:.1f}M{low:.1f} 5V13M{high:.1f} 5V13" stroke="var(--ink)" stroke-width="1.5"/>'
        f"<title>{said}</title></svg>"
    )


def _matrix(rows: Sequence[Row]) -> str:
    """One line per combination of what differs beside the seed, one cell per seed."""
    seeds = sorted({row["seed"] for row in rows if row["seed"] is not None})[:MOST_COLUMNS]
    members = [name for name in GROUPS if name != "seed" and len({row.get(name) for row in rows}) > 1]
    if len(seeds) < 2:
        return ""
    lines = []
    for key, part in grouped(rows, members or ["prompt"]).items():
        of = {row["seed"]: row for row in part}
        cells = "".join(f"<td>{_cell(of[seed]) if seed in of else ''}</td>" for seed in seeds)
        label = ", ".join("as the checkpoint" if value is None else str(value) for value in key)
        lines.append(f'<tr><th title="{escape(label)}">{escape(label)}</th>{cells}</tr>')
    legend = " ".join(f'<b class="tag {word}">{text}</b>' for word, text in WORDS.items())
    table = f'<div class="scroll"><table class="matrix">{"".join(lines)}</table></div>'
    return f'<h2>By seed, {seeds[0]} to {seeds[-1]}</h2><p class="faint">{legend}</p>{table}'


def _cell(row: Row) -> str:
    score = "" if row["score"] is None else f", {row['score']:.3f}"
    said = f"variant {row['variant']}, seed {row['seed']}: {WORDS[word_of(row)]}{score}"
    return f'<i class="{word_of(row)}" title="{escape(said)}" role="img" aria-label="{escape(said)}"></i>'


def _over_seeds(groups: Sequence[Mapping[str, Any]]) -> str:
    """What is said of variants that differ in the seed alone."""
    lines = []
    for group in groups:
        label = ", ".join(str(group[name]) for name in GROUPS if group.get(name) not in (None, "keep"))
        for score in group["scores"]:
            value = "" if score["value"] is None else f"{score['value']:.3f}"
            said = score["reason"] or str((score["error"] or {}).get("message", ""))
            cells = (label, f"{group['n']} seeds", score["name"], value, said)
            lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<h2>Over seeds</h2><table>{''.join(lines)}</table>" if lines else ""


def _clips(rows: Sequence[Row], clips: Mapping[int, bytes]) -> str:
    of = {row["variant"]: row for row in rows}
    figures = []
    for number, clip in clips.items():
        row, word = of[number], word_of(of[number])
        reasons = "; ".join(score["reason"] for score in row["scores"] if score["reason"])
        words = [
            f"seed {row['seed']}" if row["seed"] is not None else "",
            row["actions"] or row["prompt"] or "",
            reasons,
        ]
        said = "<br>".join(escape(text) for text in words if text)
        data = base64.b64encode(clip).decode()
        figures.append(
            f'<figure><img alt="variant {number}: {WORDS[word]}" src="data:image/webp;base64,{data}">'
            f'<figcaption><b class="tag {word}">{WORDS[word]}</b> variant {number}<br>{said}</figcaption></figure>'
        )
    if not figures:
        return ""
    return f'<h2>Best and worst, by turns</h2><div class="clips">{"".join(figures)}</div>'


def _provenance(evaluation: Mapping[str, Any], plan: Mapping[str, Any], rows: Sequence[Row]) -> str:
    scorers = sorted({f"{score['name']} {score['version']}" for row in rows for score in row["scores"]})
    facts = {
        "evaluation": evaluation["id"], "plan digest": evaluation["plan_digest"],
        "model": json.dumps(evaluation["model"]), "versions": json.dumps(evaluation["versions"]),
        "batches": BATCHES[plan.get("batch", "exact")], "scorers": ", ".join(scorers),
        "steps made": evaluation["steps"],
        "wall time of the steps": f"{sum(row['wall_s'] for row in rows):.1f} s",
        "workers": ", ".join(sorted({str(row["worker"]) for row in rows if row["worker"]})),
    }  # fmt: skip
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    how = (
        "Rates are over judged variants; errors are in none. Intervals are Wilson's score interval at 95 % "
        "(E. B. Wilson, 1927; Newcombe 1998, method 3)."
    )
    shown = {name: value for name, value in plan.items() if name != "actions"}
    return (
        f'<h2>How this was made</h2><table>{lines}</table><p class="faint">{how}</p>'
        f"<pre>{escape(json.dumps(shown, indent=1))}</pre>"
    )
