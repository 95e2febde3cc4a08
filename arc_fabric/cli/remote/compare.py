"""`arc-fabric compare`: where branches part and how far they go."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, out
from arc_fabric.cli.remote.http import remote_of
from arc_fabric.errors import InvalidRequest

_BARS = " ▁▂▃▄▅▆▇█"
_UNITS = {"latent": "latent rms", "pixel": "pixel, 0..255", "action": "action"}


@app.command()
def compare(
    context: typer.Context,
    branches: Annotated[list[str], typer.Argument(metavar="A B...", help="Sessions (their heads) or checkpoints.")],
    as_json: JsonFlag = False,
) -> None:
    """Compare branches: common ancestor, first difference, distances per step."""
    if len(branches) < 2:
        raise InvalidRequest("One branch is nothing to compare.", hint="Name two to eight sessions or checkpoints.")
    remote = remote_of(context)
    nodes = [name if name.startswith("ckp_") else remote.session(name)["head"] for name in branches]
    emit(remote.get("/api/compare", nodes=",".join(nodes)), as_json, _report)


def sparkline(values: list[float | None]) -> str:
    """A series as one line of bars, scaled to its largest value.

    >>> sparkline([0, 1, 2, 4])
    ' ▂▄█'
    """
    known = [value for value in values if value is not None]
    top = max(known, default=0) or 1
    return "".join("·" if value is None else _BARS[round(value / top * (len(_BARS) - 1))] for value in values)


def _report(facts: dict[str, Any]) -> None:
    names = {node["id"]: chr(ord("A") + index) for index, node in enumerate(facts["nodes"])}
    for node in facts["nodes"]:
        out.print(
            f"{names[node['id']]}  {node['id']}  step {node['frame_index']}  {escape(node['prompt'])}  "
            f"seed {node['seed']}"
        )
    out.print(f"common ancestor {facts['common_ancestor']} at step {facts['common_frame_index']}")
    first = facts["first_differing_frame_index"]
    out.print("no difference found" if first is None else f"first difference at step {first}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("pair", "distance", "mean", "largest", "from the first step on"):
        table.add_column(column)
    for kind, pairs in facts["series"].items():
        for pair, values in pairs.items():
            table.add_row(_pair(pair, names), _UNITS.get(kind, kind), *_numbers(values), sparkline(_thin(values)))
    out.print(table)
    for pair, same in facts["equal"].items():
        out.print(f"{_pair(pair, names)}: {'[green]equal, bit for bit[/]' if same else '[yellow]different[/]'}")


def _pair(pair: str, names: dict[str, str]) -> str:
    return " - ".join(names.get(part, part) for part in pair.split("|"))


def _numbers(values: list[float | None]) -> tuple[str, str]:
    known = [value for value in values if value is not None]
    return (f"{sum(known) / len(known):.4g}", f"{max(known):.4g}") if known else ("", "")


def _thin(values: list[float | None], width: int = 48) -> list[float | None]:
    """At most `width` values, the largest of each stretch."""
    stretch = -(-len(values) // width) or 1
    groups = (values[start : start + stretch] for start in range(0, len(values), stretch))
    return [max((value for value in group if value is not None), default=None) for group in groups]
