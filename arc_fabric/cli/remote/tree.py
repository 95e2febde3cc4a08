"""The trajectory tree in the terminal: `arc-fabric tree`, and `arc-fabric show` for one thing of it.

A run of steps without a fork is one line; every branch (session) has a colour and a letter:

    tree ckp_01jd6xy0m8v9k2q4r6t8w0y2z4
    └── ● 0-8     A pick up the red cup  seed 7  12.1 MiB
        ├── ● 9-16    A pick up the red cup  seed 7  11.9 MiB  ◀ head
        └── ● 9-16    B push the cup to the left  seed 7  12.0 MiB  ✗ failed  ◀ head
"""

from __future__ import annotations

import itertools
import string
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.pretty import Pretty
from rich.tree import Tree

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, out, size
from arc_fabric.cli.remote.http import Remote, remote_of
from arc_fabric.errors import InvalidRequest

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red", "bright_cyan", "bright_magenta")
LEGEND = {
    "failed": "✗ marked as failed", "bookmarked": "★ bookmarked", "pinned": "⚲ kept in a worker's memory, its KV whole",
}  # fmt: skip
_PATHS = {"ses": "/api/sessions", "ckp": "/api/checkpoints", "job": "/api/jobs"}


@dataclass
class Segment:
    """A run of nodes of one session, up to the next fork, mark or head."""

    nodes: list[dict[str, Any]]
    branches: list[Segment] = field(default_factory=list)


@app.command()
def tree(
    context: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Id, label, or 'last'.")],
    full: Annotated[bool, typer.Option("--full", help="One line per checkpoint, with its id.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Draw the tree a session grows in: branches, sizes, failures, heads."""
    facts = whole_tree(remote_of(context), session)
    emit(facts, as_json, lambda found: draw(found, full=full))


@app.command()
def show(
    context: typer.Context,
    thing: Annotated[str, typer.Argument(metavar="ID", help="A session, checkpoint or job.")],
    as_json: JsonFlag = False,
) -> None:
    """Show all that is known about a session, a checkpoint or a job."""
    remote = remote_of(context)
    kind = thing.partition("_")[0]
    if thing == "last":
        facts = remote.session(thing)
    elif kind in _PATHS:
        facts = remote.get(f"{_PATHS[kind]}/{thing}")
    else:
        raise InvalidRequest(f"{thing!r} is no id.", hint="Ids start with ses_, ckp_ or job_.")
    emit(facts, as_json, lambda found: out.print(Pretty(found, expand_all=True)))


def whole_tree(remote: Remote, name: str) -> dict[str, Any]:
    """All pages of the tree of a session."""
    path = f"/api/sessions/{remote.session(name)['id']}/tree"
    facts = remote.get(path)
    cursor = facts.get("next")
    while cursor:
        page = remote.get(path, cursor=cursor)
        facts["nodes"] += page["nodes"]
        facts["sessions"] += page["sessions"]
        cursor = page.get("next")
    return facts


def segments(nodes: Iterable[dict[str, Any]], root: str, heads: Iterable[str], *, full: bool = False) -> Segment:
    """Group a tree's nodes into runs. Without recursion: a trajectory may be thousands of steps deep."""
    known = {node["id"]: node for node in nodes}
    children: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for node in known.values():
        children[node["parent"]].append(node)
    ends = set(heads)
    first = Segment([known[root]])
    todo = [first]
    while todo:
        segment = todo.pop()
        last = segment.nodes[-1]
        while not full and last["id"] not in ends and _continues(last, children[last["id"]]):
            last = children[last["id"]][0]
            segment.nodes.append(last)
        segment.branches = [Segment([child]) for child in children[last["id"]]]
        todo.extend(segment.branches)
    return first


def draw(facts: dict[str, Any], *, full: bool = False) -> None:
    """Print a tree and the legend of its branches and marks."""
    if facts["root"] is None:
        out.print("The tree is empty: its first job has not finished.")
        return
    letters = _letters(facts)
    heads = {session["head"]: letters[session["id"]] for session in facts["sessions"] if session["state"] == "open"}
    picture = Tree(f"[dim]tree {facts['tree_id']}[/]", guide_style="dim")
    todo = [(picture, segments(facts["nodes"], facts["root"], heads, full=full))]
    while todo:
        parent, segment = todo.pop()
        branch = parent.add(_line(segment.nodes, letters, heads, full))
        todo.extend((branch, child) for child in reversed(segment.branches))
    out.print(picture, soft_wrap=True)
    out.print()
    for session in sorted(facts["sessions"], key=lambda session: session["created"]):
        letter, colour = letters[session["id"]]
        label = escape(session["label"] or session["prompt"])
        out.print(f"[{colour}]● {letter}[/] {session['id']}  {label}  [dim]{session['state']}[/]", soft_wrap=True)
    told = [words for mark, words in LEGEND.items() if any(node.get(mark) for node in facts["nodes"])]
    if told:
        out.print(f"[dim]{'   '.join(told)}[/]", soft_wrap=True)


def _continues(node: dict[str, Any], children: list[dict[str, Any]]) -> bool:
    """Whether the only child goes on in the same branch and neither carries a mark."""
    if len(children) != 1:
        return False
    child = children[0]
    same = all(node[key] == child[key] for key in ("session_id", "prompt", "seed", "failed"))
    return same and not any(node.get(key) for key in ("label", "bookmarked", "pinned"))


def _letters(facts: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """(letter, colour) of every session, in the order they were made."""
    made = sorted(facts["sessions"], key=lambda session: session["created"])
    names = itertools.chain(string.ascii_uppercase, (f"Z{n}" for n in itertools.count(1)))
    looks = zip(names, itertools.cycle(COLOURS), strict=False)
    return {session["id"]: look for session, look in zip(made, looks, strict=False)}


def _line(nodes: list[dict[str, Any]], letters: dict[str, Any], heads: dict[str, Any], full: bool) -> str:
    first, last = nodes[0], nodes[-1]
    letter, colour = letters.get(last["session_id"], ("?", "white"))
    span = str(first["frame_index"]) if len(nodes) == 1 else f"{first['frame_index']}-{last['frame_index']}"
    parts = [
        f"[{colour}]● {span:<7} {letter}[/] {escape(last['prompt'])}",
        f"[dim]seed {last['seed']}[/]",
        size(sum(node["bytes_new"] or 0 for node in nodes)),
        *_marks(nodes),
    ]
    if last["id"] in heads:
        parts.append(f"[bold {heads[last['id']][1]}]◀ head[/]")
    if full:
        parts.append(f"[dim]{last['id']}[/]")
    return "  ".join(parts)


def _marks(nodes: list[dict[str, Any]]) -> list[str]:
    last = nodes[-1]
    marks = []
    if last["failed"]:
        marks.append("[bold red]✗ failed[/]")
    if last["bookmarked"]:
        marks.append("[yellow]★[/]")
    if last.get("pinned"):
        marks.append("[cyan]⚲ pinned[/]")
    if last["label"]:
        marks.append(f"[italic]{escape(last['label'])}[/]")
    if last["score"] is not None:
        marks.append(f"score {last['score']:.3g}")
    for state, style in (("pending", "yellow"), ("damaged", "bold red"), ("deleted", "dim")):
        count = sum(node["durability"] == state for node in nodes)
        if count:
            marks.append(f"[{style}]{count} {state}[/]")
    return marks
