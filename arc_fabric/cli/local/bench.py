"""`arc-fabric bench`: the benchmarks of the source tree, each a module of `benchmarks/` that can be run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit
from arc_fabric.errors import InvalidRequest, ServiceError

NOT_HERE = 3
"""What a benchmark answers that this machine cannot run (benchmarks/rows.py)."""
FOLDER = Path(__file__).parents[3] / "benchmarks"


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Which; default: all of them.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run benchmarks. What follows a lone -- goes to each of them."""
    known = sorted(path.stem for path in FOLDER.glob("[!_]*.py") if "__main__" in path.read_text())
    given = names or []
    chosen = [name for name in given if not name.startswith("-")]
    unknown = [name for name in chosen if name not in known]
    if unknown or not known:
        raise InvalidRequest(
            f"No benchmark is called {unknown[0]!r}." if unknown else "The benchmarks are in the source tree only.",
            hint=f"There are: {', '.join(known)}." if known else "Clone the repository and run 'make bench'.",
        )
    flags = [*(name for name in given if name.startswith("-")), *context.args]
    results = [_run(name, flags, as_json) for name in chosen or known]
    if as_json:
        emit({"benchmarks": [body for _, body in results]}, True, print)
    if any(status and (chosen or status != NOT_HERE) for status, _ in results):
        raise typer.Exit(max(status for status, _ in results if chosen or status != NOT_HERE))


def _run(name: str, flags: list[str], as_json: bool) -> tuple[int, Any]:
    """Exit status of one benchmark (1: a bar was missed) and, if asked for, its JSON object."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *flags, *(["--json"] if as_json else [])]
    done = subprocess.run(command, cwd=FOLDER.parent, check=False, stdout=subprocess.PIPE if as_json else None)
    said = done.stdout.strip() if as_json else b""
    if done.returncode not in (0, 1, NOT_HERE) or (as_json and not said and done.returncode != NOT_HERE):
        raise ServiceError(
            f"The benchmark {name} ended with status {done.returncode} and without a result.",
            hint="What it said before that stands above, on standard error.",
        )
    return done.returncode, json.loads(said) if said else {"benchmark": name, "not_here": True}
