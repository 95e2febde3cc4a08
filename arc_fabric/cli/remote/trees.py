"""Trees as a whole: trees, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, ago, emit, out, table_of
from arc_fabric.cli.remote.http import remote_of
from arc_fabric.errors import InvalidRequest


@app.command()
def trees(
    context: typer.Context,
    words: Annotated[str, typer.Argument(help="Only those with these words in id, prompt, labels or tags.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """List the trees, those that rest in object storage among them."""
    items = list(remote_of(context).pages("/api/trees", q=words or None))
    emit({"items": items}, as_json, lambda facts: _table(facts["items"]))


@app.command()
def delete(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TREE", help="A tree's id, or a session of it (id, label, 'last').")],
    close: Annotated[bool, typer.Option("--close", help="Close its open sessions and cancel their jobs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete a whole tree for good: checkpoints, sessions, jobs. There is no way back.

    Stored bytes are freed after the grace period; what checkpoints of other trees refer to stays.
    """
    remote = remote_of(context)
    tree_id = name if name.startswith("ckp_") else remote.session(name)["tree_id"]
    if tree_id is None:
        raise InvalidRequest(f"Session {name} has no tree yet.", hint="Close it: arc-fabric close.")
    tree = remote.get(f"/api/trees/{tree_id}")
    if not yes:
        told = f"{tree['nodes']} checkpoints and {tree['sessions']} sessions of {tree['id']} ({tree['prompt'][:60]!r})"
        if not typer.confirm(f"Delete {told} for good?", err=True):
            raise typer.Exit(1)
    answer = remote.delete(f"/api/trees/{tree_id}{'?close=true' if close else ''}")
    emit(answer, as_json, _gone)


def _gone(facts: dict[str, Any]) -> None:
    tree = facts["tree"]
    out.print(f"{tree['id']} is deleted: {tree['nodes']} checkpoints, {tree['sessions']} sessions", soft_wrap=True)
    if not facts["erased"]:
        out.print("the media worker erases the rest of its records")


def _table(items: list[dict[str, Any]]) -> None:
    if not items:
        out.print("No trees. Start one: arc-fabric new 'pick up the red cup'")
        return
    table = table_of("tree", "checkpoints", "sessions", "prompt", "labels", "tags", "changed", "")
    for item in items:
        cells = (item["id"], item["nodes"], item["sessions"], item["prompt"], ", ".join(item["labels"]))
        more = (", ".join(item["tags"]), ago(item["updated"]), "rests" if item["resting"] else "")
        table.add_row(*(escape(str(cell)) for cell in (*cells, *more)))
    out.print(table)
