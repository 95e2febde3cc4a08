"""What must cost the same however much there is: python -m benchmarks.growth [--json] [--only collector]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks._growth import depth, placement, resting, soak, upkeep
from benchmarks.rows import Report, progress

PARTS = ("toy", "tabletop", "collector", "placement", "resting", "soak")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--depth", type=int, default=10_000, help="steps from the root, held against ten")
    parser.add_argument("--checkpoints", type=int, default=100_000, help="checkpoints that the collector goes over")
    parser.add_argument("--nodes", type=int, default=1_000_000, help="checkpoints at rest")
    parser.add_argument("--steps", type=int, default=20_000, help="steps of the soak")
    parser.add_argument("--seconds", type=float, default=3600.0, help="the soak ends after so long, whatever it did")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, separated by commas")
    options = parser.parse_args(argv)
    report = Report("growth")
    measures = {
        "toy": lambda: depth.toy(report, options.depth),
        "tabletop": lambda: depth.tabletop(report, options.depth),
        "collector": lambda: upkeep.collector(report, options.checkpoints),
        "placement": lambda: placement.placement(report),
        "resting": lambda: resting.resting(report, options.nodes),
        "soak": lambda: soak.soak(report, options.steps, options.seconds),
    }
    for name in options.only.split(","):
        progress(f"{name} ...")
        measures[name]()
    return report.finish(as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
