"""Measure the tabletop model on held-out scenes: `python -m arc_fabric.models.tabletop.evaluate [--json] [--seed N]`.

Every row is judged on decoded frames by colour (`judge.py`), beside two baselines: repeating the last frame, and the
untrained model. Exit status 1 when a bar is missed. `--quick` takes a quarter of the scenes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from arc_fabric.models.tabletop.measures import MEASURES, HeldOut, Measured, untrained
from arc_fabric.models.tabletop.model import TabletopModel
from arc_fabric.models.tabletop.weights import WEIGHTS


@dataclass
class Row:
    """One line of the table."""

    name: str
    value: float
    unit: str
    bar: str
    ok: bool
    n: int
    baselines: dict[str, float | None] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)


def evaluate(model: TabletopModel, seed: int, scale: float, only: str = "", most: int = 10**9) -> list[Row]:
    """All rows whose name contains `only`; `scale` multiplies the number of scenes, `most` limits it."""
    blank, console = untrained(), Console(stderr=True)
    rows = []
    for measure in MEASURES:
        if only not in measure.name:
            continue
        n = min(most, max(4, round(measure.scenes * scale)))
        with console.status(f"{measure.name} ({n})"):
            found = measure.run(model, HeldOut(seed, n))
            baselines = {"repeat last frame": found.repeat}
            if measure.learned:
                baselines["untrained"] = round(measure.run(blank, HeldOut(seed, min(n, max(4, n // 5)))).value, 3)
        console.print(f"{measure.name}: {found.value:.3f} {measure.unit} (n {n})", markup=False)
        rows.append(_row(measure.name, measure.unit, measure.bar, measure.at_least, n, found, baselines))
    return rows


def _row(
    name: str, unit: str, bar: float, at_least: bool, n: int, found: Measured, baselines: dict[str, float | None]
) -> Row:
    passed = found.value >= bar if at_least else found.value <= bar
    sign = ">=" if at_least else "<="
    return Row(
        name,
        round(found.value, 3),
        unit,
        f"{sign} {bar:g}",
        bool(passed and found.also),
        n,
        baselines,
        {key: round(value, 3) for key, value in found.details.items()},
    )


def show(rows: list[Row]) -> None:
    """Print the table for people."""
    table = Table("measure", "value", "bar", "ok", "n", "repeat last", "untrained", "details")
    for row in rows:
        base = [row.baselines.get(key) for key in ("repeat last frame", "untrained")]
        shown = ["" if value is None else f"{value:.2f}" for value in base]
        details = " ".join(f"{key} {value:g}" for key, value in row.details.items())
        table.add_row(
            row.name, f"{row.value:.2f} {row.unit}", row.bar, "yes" if row.ok else "NO", str(row.n), *shown, details
        )
    Console().print(table)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=0, help="draws other held-out scenes")
    parser.add_argument("--quick", action="store_true", help="a quarter of the scenes")
    parser.add_argument("--scenes", type=int, default=10**9, help="at most this many scenes per row")
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = TabletopModel.load(args.weights)
    model.exact_batches = False
    rows = evaluate(model, args.seed, 0.25 if args.quick else 1.0, args.only, args.scenes)
    if args.json:
        print(json.dumps({"model": "tabletop", "seed": args.seed, "rows": [asdict(row) for row in rows]}, indent=1))
    else:
        show(rows)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
