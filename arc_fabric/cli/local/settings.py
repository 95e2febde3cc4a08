"""`arc-fabric settings`: every setting, its value and where that came from."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import JsonFlag, emit, out
from arc_fabric.settings import Settings, env_name, setting_names


@app.command()
def settings(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Print every setting with its value and its source. Secrets are hidden."""
    emit(_rows(settings_of(context)), as_json, _table)


def _rows(current: Settings) -> list[dict[str, Any]]:
    fields = type(current).model_fields
    return [
        {
            "name": name,
            "value": current.shown(name),
            "source": current.source(name),
            "environment": env_name(name),
            "description": fields[name].description,
        }
        for name in setting_names()
    ]


def _table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("setting", "value", "source", "what it does"):
        table.add_column(column, overflow="fold")
    for row in rows:
        style = "" if row["source"] == "default" else "cyan"
        table.add_row(
            row["name"],
            f"[{style}]{escape(row['value'])}[/]" if style else escape(row["value"]),
            row["source"],
            row["description"],
        )
    out.print(table)
