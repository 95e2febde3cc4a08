"""What checkpoints cost: python -m benchmarks.snapshot [--json] [--only stall,cold]. For the method see README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from benchmarks._snapshot import restores, space, steps, tabletop
from benchmarks._snapshot.effort import Effort
from benchmarks._snapshot.world import dreamzero_14b, object_store
from benchmarks.rows import Report, progress

PARTS = ("bytes", "stall", "wall", "tabletop", "fork", "swap", "host", "cold", "tree", "light")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.snapshot", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--layers", type=int, default=2, help="layers of the 14B-shaped states (40 in the model)")
    parser.add_argument("--step-s", type=float, default=3.0, help="simulated model time of a step")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, separated by commas")
    options = parser.parse_args(argv)
    report, shape, device = Report("snapshot"), dreamzero_14b(options.layers), options.device
    with object_store() as backend:
        measures = {
            "bytes": lambda: steps.bytes_per_checkpoint(report, backend, shape, device),
            "stall": lambda: steps.stall(report, backend, shape, device),
            "wall": lambda: steps.wall(report, backend, shape, device, options.step_s),
            "tabletop": lambda: tabletop.wall(report, backend, device),
            "fork": lambda: restores.fork(report, device),
            "swap": lambda: restores.swap(report, shape, device),
            "host": lambda: restores.from_host(report, shape, device),
            "cold": lambda: restores.cold(report, backend, shape, device),
            "tree": lambda: space.tree(report, backend, device),
            "light": lambda: space.light(report, device),
        }
        effort = Effort()
        for name in options.only.split(","):
            progress(f"{name} ...")
            with effort.of(name):
                measures[name]()
        seconds, parts = effort.total()
    report.add("the measuring itself", seconds, "s", baselines=parts)
    return report.finish(as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
