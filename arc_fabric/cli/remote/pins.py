"""`arc-fabric pin` and `arc-fabric unpin`: which checkpoints the workers keep at hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, out
from arc_fabric.cli.remote.http import remote_of
from arc_fabric.errors import CheckpointNotFound

Which = Annotated[list[str], typer.Argument(metavar="CHECKPOINT...", help="Checkpoints, or sessions (their heads).")]


@app.command()
def pin(context: typer.Context, checkpoints: Which, as_json: JsonFlag = False) -> None:
    """Keep checkpoints in the workers' memory, and their KV whole, until they are unpinned."""
    _change(context, checkpoints, "pin", as_json)


@app.command()
def unpin(context: typer.Context, checkpoints: Which, as_json: JsonFlag = False) -> None:
    """Let pinned checkpoints go; they stay stored."""
    _change(context, checkpoints, "unpin", as_json)


def _change(context: typer.Context, names: list[str], verb: str, as_json: bool) -> None:
    remote = remote_of(context)
    ids = [name if name.startswith("ckp_") else _head(remote.session(name)) for name in names]
    emit({"items": [remote.post(f"/api/checkpoints/{node_id}/{verb}") for node_id in ids]}, as_json, _lines)


def _head(session: dict[str, Any]) -> str:
    if session["head"] is None:
        raise CheckpointNotFound(f"Session {session['id']} has no checkpoint yet.", hint="Wait for its create job.")
    return str(session["head"])


def _lines(facts: dict[str, Any]) -> None:
    for node in facts["items"]:
        state = "pinned" if node["pinned"] else "not pinned"
        out.print(f"{node['id']} at step {node['frame_index']}  {state}", soft_wrap=True)
