"""`arc-fabric bench`: the benchmarks of the source tree, each a module of `benchmarks/` that can be run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from arc_fabric.cli.app import app
from arc_fabric.errors import InvalidRequest

NOT_HERE = 3
"""What a benchmark answers that this machine cannot run (benchmarks/rows.py)."""
FOLDER = Path(__file__).parents[2] / "benchmarks"


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Which; default: all of them.")] = None,
) -> None:
    """Run benchmarks. What follows a lone -- goes to each of them."""
    known = sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text())
    given = names or []
    chosen = [name for name in given if not name.startswith("-")]
    unknown = [name for name in chosen if name not in known]
    if unknown or not known:
        raise InvalidRequest(
            f"No benchmark is called {unknown[0]!r}." if unknown else "The benchmarks are in the source tree only.",
            hint=f"There are: {', '.join(known)}." if known else "Clone the repository and run 'make bench'.",
        )
    flags = [*(name for name in given if name.startswith("-")), *context.args]
    for name in chosen or known:
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *flags], cwd=FOLDER.parent, check=False)
        if done.returncode and (chosen or done.returncode != NOT_HERE):
            raise typer.Exit(done.returncode)
