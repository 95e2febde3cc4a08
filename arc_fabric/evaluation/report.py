"""One HTML page of an evaluation: rates with intervals, a matrix of verdicts, videos. It needs nothing else to open."""

from __future__ import annotations

import base64
import datetime
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from arc_fabric.evaluation.plan import Plan
from arc_fabric.evaluation.results import GROUPS, Row, word_of
from arc_fabric.evaluation.summing import summary
from arc_fabric.evaluation.words import difference, tried

WORDS = {"good": "good", "bad": "bad", "error": "error", "none": "not judged"}
BATCHES = {
    "exact": "exact: the bits of each variant alone",
    "fast": "fast: variants stepped in one forward pass, equal to rounding",
}
MOST_COLUMNS, MOST_LINES = 64, 200
"""Of the matrix; what is more than fits the eye is in the table of results."""
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
    rows: Iterable[Row],
    clips: Mapping[int, bytes],
    groups: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page. `rows` are read twice, one at a time; `clips`: variant number -> WebP animation, in the order in which
    they are shown; `groups`: what scorers of groups said."""
    facts = summary(rows)
    title = evaluation.get("label") or f"Evaluation {evaluation['id']}"
    seen = _Seen(rows, clips)
    parts = [
        _heading(evaluation, plan, title),
        _headline(evaluation, facts),
        *(
            _bars(name, parts) + _differences(name, facts["differences"])
            for name, parts in facts["by"].items()
            if len(parts) <= MOST_COLUMNS and name != "seed"
        ),
        _matrix(seen),
        _over_seeds(groups),
        _clips(seen.shown, clips),
        _provenance(evaluation, plan, seen),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


class _Seen:
    """What is kept of rows: a cell of the matrix each, and those whole that are shown with their clip."""

    def __init__(self, rows: Iterable[Row], clips: Mapping[int, bytes]) -> None:
        self.lines: defaultdict[tuple[Any, ...], dict[int, tuple[int, str, float | None]]] = defaultdict(dict)
        self.seeds, self.scorers, self.workers = set[int](), set[str](), set[str]()
        self.wall_s, self.shown = 0.0, dict[int, Row]()
        for row in rows:
            self._add(row)
            if row["variant"] in clips:
                self.shown[row["variant"]] = row

    def _add(self, row: Row) -> None:
        self.wall_s += row["wall_s"]
        self.scorers |= {f"{score['name']} {score['version']}" for score in row["scores"]}
        self.workers |= {str(row["worker"])} if row["worker"] else set()
        key = tuple(row.get(name) for name in GROUPS if name != "seed")
        if row["seed"] is not None and (key in self.lines or len(self.lines) < MOST_LINES):
            self.seeds.add(row["seed"])
            self.lines[key][row["seed"]] = row["variant"], word_of(row), row["score"]


def with_section(page: str, section: str) -> str:
    """A report with a section of one's own (HTML) before its first chart."""
    before, heading, after = page.partition("<h2>")
    return before + section + heading + after


def _heading(evaluation: Mapping[str, Any], plan: Mapping[str, Any], title: str) -> str:
    made = datetime.datetime.fromtimestamp(evaluation["created"], datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    model = escape(str(evaluation["model"].get("name")))
    state = evaluation["state"] + (f": {evaluation['why']}" if evaluation.get("why") else "")
    return (
        f'<h1>{escape(title)}</h1><p class="faint">{model}, begun {made}, {escape(state)}</p>'
        f"<p>{escape(tried(plan))}</p>"
    )


def _headline(evaluation: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    counts = facts["all"]
    judged = counts["good"] + counts["bad"]
    rate = "no verdicts" if counts["rate"] is None else f"{counts['rate']:.0%}"
    over = " over all variants, which differ in more than the seed" if set(facts["by"]) - {"seed"} else ""
    sure = "" if counts["rate"] is None else f"95 % interval {counts['low']:.0%} to {counts['high']:.0%}{over}"
    missing = evaluation["total"] - counts["n"]
    why = {word: f": {one['reason']}" for word, one in facts["examples"].items() if one["reason"]}
    notes = [
        f"{counts['good']} good of {judged} judged",
        *([f"{counts['errors']} ended in an error and count for nothing{why.get('error', '')}"]
          if counts["errors"] else []),
        *([f"{counts['unjudged']} were not judged{why.get('none', '')}"] if counts["unjudged"] else []),
        *([f"{missing} of {evaluation['total']} have no result yet"] if missing else []),
    ]  # fmt: skip
    return f'<p class="big">{rate}</p><p>{sure}</p><p class="faint">{escape("; ".join(notes))}</p>'


def _differences(name: str, differences: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"<p>{escape(difference(one))}</p>" for one in differences if one["by"] == name)


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


def _matrix(seen: _Seen) -> str:
    """One line per combination of what differs beside the seed, one cell per seed."""
    seeds = sorted(seen.seeds)[:MOST_COLUMNS]
    if len(seeds) < 2:
        return ""
    values = list(zip(*seen.lines, strict=True))
    differ = [at for at, column in enumerate(values) if len(set(column)) > 1] or [0]
    lines = []
    for key, of in seen.lines.items():
        cells = "".join(f"<td>{_cell(seed, *of[seed]) if seed in of else ''}</td>" for seed in seeds)
        label = ", ".join("as the checkpoint" if key[at] is None else str(key[at]) for at in differ)
        lines.append(f'<tr><th title="{escape(label)}">{escape(label)}</th>{cells}</tr>')
    legend = " ".join(f'<b class="tag {word}">{text}</b>' for word, text in WORDS.items())
    table = f'<div class="scroll"><table class="matrix">{"".join(lines)}</table></div>'
    return f'<h2>By seed, {seeds[0]} to {seeds[-1]}</h2><p class="faint">{legend}</p>{table}'


def _cell(seed: int, variant: int, word: str, value: float | None) -> str:
    score = "" if value is None else f", {value:.3f}"
    said = f"variant {variant}, seed {seed}: {WORDS[word]}{score}"
    return f'<i class="{word}" title="{escape(said)}" role="img" aria-label="{escape(said)}"></i>'


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


def _clips(of: Mapping[int, Row], clips: Mapping[int, bytes]) -> str:
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


def _provenance(evaluation: Mapping[str, Any], plan: Mapping[str, Any], seen: _Seen) -> str:
    facts = {
        "evaluation": evaluation["id"], "plan digest": evaluation["plan_digest"],
        "model": json.dumps(evaluation["model"]), "versions": json.dumps(evaluation["versions"]),
        "batches": BATCHES[plan.get("batch", "exact")], "scorers": ", ".join(sorted(seen.scorers)),
        "steps made": evaluation["steps"],
        "wall time of the steps": f"{seen.wall_s:.1f} s",
        "workers": ", ".join(sorted(seen.workers)),
    }  # fmt: skip
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    how = (
        "Rates are over judged variants; errors are in none. Intervals are Wilson's score interval at 95 % "
        "(E. B. Wilson, 1927; Newcombe 1998, method 3). Differences are of pairs of variants that agree in all else: "
        "McNemar's exact test (1947), p by Holm's method (1979) over every two values compared."
    )
    own = {name: field.get_default(call_default_factory=True) for name, field in Plan.model_fields.items()}
    left_out = {"actions", "label", "variants"}
    shown = {name: value for name, value in plan.items() if name not in left_out and value != own.get(name)}
    return (
        f'<h2>How this was made</h2><table>{lines}</table><p class="faint">{how}</p>'
        f"<pre>{escape(_plan_text(shown))}</pre>"
    )


def _plan_text(plan: Mapping[str, Any]) -> str:
    """A member a line, as TOML has it; long lists of numbers by their ends."""
    lines = []
    for name, value in plan.items():
        whole = json.dumps(value)
        if isinstance(value, list) and len(whole) > 400:
            whole = f"{json.dumps(value[0])} to {json.dumps(value[-1])}, {len(value)} in all"
        lines.append(f"{name} = {whole}")
    return "\n".join(lines)
