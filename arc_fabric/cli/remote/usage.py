"""`arc-fabric usage`: what the holders of tokens have of what they may have."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, out, size, table_of
from arc_fabric.cli.remote.http import remote_of


@app.command()
def usage(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Open sessions and stored bytes per token, with its quota."""
    emit({"items": list(remote_of(context).pages("/api/usage"))}, as_json, _table)


def _table(facts: dict[str, Any]) -> None:
    if not facts["items"]:
        out.print("Nothing was made yet.")
        return
    table = table_of("token", "open sessions", "of", "stored", "of")
    for one in facts["items"]:
        sessions = "" if one["sessions_allowed"] is None else str(one["sessions_allowed"])
        most = "" if one["bytes_allowed"] is None else size(one["bytes_allowed"])
        table.add_row(escape(one["name"]), str(one["sessions_open"]), sessions, size(one["bytes_stored"]), most)
    out.print(table)
