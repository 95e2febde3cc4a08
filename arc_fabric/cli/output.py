"""What commands print: one JSON object for scripts (`--json`), something to look at for people."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_fabric.cli.terminal import Terminal
from arc_fabric.errors import ArcFabricError

if TYPE_CHECKING:
    from rich.table import Table

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

PIPED_WIDTH = 200
"""Columns where nobody's terminal sets them: output that is piped is not cut."""

for _name in ("stdout", "stderr"):
    if getattr(sys, _name) is None:  # it was closed before we were started
        setattr(sys, _name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as the process lives
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="backslashreplace")  # records of old may hold what no UTF-8 can

out = Terminal(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Terminal(stderr=True, highlight=False)


def emit(facts: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print `facts` as JSON, or let `show` draw them."""
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2, default=str) + "\n")
    else:
        show(facts)


ReadyFlag = Annotated[bool, typer.Option("--json", help="Print one line of JSON on stdout once it is ready.")]


def ready_line(facts: dict[str, Any]) -> None:
    """What a process in the foreground says to the script that started it, at once and in one line."""
    print(json.dumps(facts), flush=True)


def keep_stdout() -> Callable[[dict[str, Any]], None]:
    """`ready_line` for a process whose libraries print: from here on what they say goes to standard error."""
    own = os.fdopen(os.dup(sys.__stdout__.fileno()), "w")  # type: ignore[union-attr]
    os.dup2(sys.__stderr__.fileno(), sys.__stdout__.fileno())  # type: ignore[union-attr]
    return lambda facts: print(json.dumps(facts), file=own, flush=True)


def report_error(error: ArcFabricError, as_json: bool) -> None:
    """What happened and what to do: on stderr for people, as `{"error": ...}` on stdout for scripts."""
    if as_json:
        sys.stdout.write(json.dumps({"error": error.to_dict()}, indent=2, default=str) + "\n")
        return
    err.print("[bold red]error:[/]", end=" ")
    err.print(error.message, markup=False, soft_wrap=True)
    if error.what_to_do:
        err.print(error.what_to_do, markup=False, soft_wrap=True)


def table_of(*columns: str) -> Table:
    """A table of things with an id, which is the first column and stays whole."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=None if number else 30)
    return table


def size(count: float) -> str:
    """Bytes for people.

    >>> size(0), size(1536), size(3 << 30)
    ('0 B', '1.5 KiB', '3.0 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def ago(then: float, now: float | None = None) -> str:
    """How long ago, for people.

    >>> ago(0, 42), ago(0, 7200), ago(0, 200_000)
    ('42 s ago', '2 h ago', '2 d ago')
    """
    passed = (time.time() if now is None else now) - then
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed >= seconds:
            return f"{passed / seconds:.0f} {unit} ago"
    return f"{max(0, passed):.0f} s ago"


def report_lost_output(error: OSError) -> None:
    """Standard output takes nothing more (its disk is full), or a file of ours cannot be used: said on stderr alone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still in the buffer goes nowhere
    what = f" ({error.filename})" if error.filename else ""
    err.print(f"error: {error.strerror or type(error).__name__}{what}", soft_wrap=True, markup=False)
