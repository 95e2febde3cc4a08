"""Measure the tabletop model on held-out scenes: `python -m arc_fabric.models.tabletop.evaluate [--json]`.

Everything is read off decoded frames by colour. Seed 0 draws the scenes that are reported; settings are chosen on those
of other seeds. Exit status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from arc_fabric.models.tabletop.evaluate import asked, given
from arc_fabric.models.tabletop.evaluate.cases import HeldOut
from arc_fabric.models.tabletop.evaluate.dreams import Model
from arc_fabric.models.tabletop.evaluate.row import Row
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.weights import WEIGHTS

MEASURES: dict[str, Callable[[Model, HeldOut], list[Row]]] = {
    "reader": given.reader,
    "reconstruction": given.reconstruction,
    "steered": given.steered,
    "sharpness": given.sharpness,
    "cup": asked.cup,
    "right-object": asked.right_object,
    "swapped": asked.swapped,
    "closed-loop": asked.closed_loop,
    "long": asked.long_rollouts,
    "memory": given.memory,
    "ablation": given.ablation,
    "seeds": asked.seeds,
    "calibration": asked.calibration,
    "speed": asked.speed,
}


def show(rows: list[Row]) -> None:
    """Print the table for people."""
    table = Table("measure", "value", "95 %", "bar", "met", "n", "beside")
    for row in rows:
        known = row.rounded()
        edges = "" if row.interval is None else f"{row.interval[0]:.2f} .. {row.interval[1]:.2f}"
        beside = "; ".join(f"{key} {value:.3g}" for key, value in row.beside.items())
        value, met = f"{row.value:.2f} {row.unit}", "yes" if row.met else "NO"
        table.add_row(row.name, value, edges, str(known["bar"]), met, str(row.n), beside)
    Console().print(table)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=0, help="draws other held-out scenes; 0 are those reported")
    parser.add_argument("--n", type=int, default=100, help="scenes per row")
    parser.add_argument("--only", nargs="*", choices=list(MEASURES), help="only these measures")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dreamer, console, rows = Model(TabletopModel.load(args.weights), args.weights), Console(stderr=True), []
    for name in args.only or MEASURES:
        started = time.monotonic()
        found = MEASURES[name](dreamer, HeldOut(args.seed, args.n))
        rows += found
        for row in found:
            console.print(json.dumps(row.rounded()), markup=False, highlight=False, soft_wrap=True)
        console.print(f"{name}: {time.monotonic() - started:.0f} s", highlight=False)
    if args.json:
        print(json.dumps({"model": "tabletop", "seed": args.seed, "rows": [row.rounded() for row in rows]}, indent=1))
    else:
        show(rows)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
