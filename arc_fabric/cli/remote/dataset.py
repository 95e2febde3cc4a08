"""`arc-fabric dataset`: a branch, a tree or an evaluation for LeRobot, Rerun, or as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arc_fabric.base.terms import ExportForm
from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, out
from arc_fabric.cli.remote.http import remote_of


@app.command()
def dataset(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="Session (id, label, 'last'), checkpoint, or evaluation's id.")],
    target: Annotated[Path, typer.Option("--out", "-o", help="File (.rrd, .parquet, .csv), or a new folder.")],
    form: Annotated[ExportForm | None, typer.Option("--format", help="Default: by the file's name.")] = None,
    tree: Annotated[bool, typer.Option("--tree", help="All branches of the session's tree.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Export branches as a LeRobot dataset, a Rerun recording, or a table of actions and scores."""
    remote = remote_of(context)
    if what.startswith("evl_"):
        where = f"evaluations/{what}"
    elif what.startswith("ckp_"):
        where = f"trees/{remote.get(f'/api/checkpoints/{what}')['tree_id']}" if tree else f"checkpoints/{what}"
    else:
        session = remote.session(what)
        where = f"trees/{session['tree_id']}" if tree else f"checkpoints/{session['head']}"
    path = remote.fabric.export(where, target, form)
    emit({"path": str(path)}, as_json, lambda facts: out.print(str(path), soft_wrap=True))
