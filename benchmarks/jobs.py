"""What jobs cost: python -m benchmarks.jobs [--json] [--only NAME]. Rows: docs/reference/jobs.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._jobs import queue, throughput
from benchmarks._jobs.world import World
from benchmarks.rows import Report, progress


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.jobs", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    threads_help = "torch threads per worker and plain loop (0: as many as leave two workers a core for all else)"
    parser.add_argument("--threads", type=int, default=0, help=threads_help)
    parser.add_argument("--only", action="append", default=None, help="one part; may be repeated")
    options = parser.parse_args(argv)
    threads = options.threads or max(1, (len(os.sched_getaffinity(0)) - 1) // 2)
    report = Report("jobs")
    parts = {
        "round_trip": lambda world: queue.round_trip(report, world),
        "forks": lambda world: queue.forks(report, world),
        "interactive": lambda world: queue.interactive(report, world),
        "commits": lambda world: queue.commits(report, world),
        "one_session": lambda world: throughput.one_session(report, world, threads),
        "two_sessions": lambda world: throughput.two_sessions(report, world, threads),
    }
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        world = World(Path(folder))
        try:
            for name in options.only or parts:
                progress(f"{name} ...")
                parts[name](world)
        finally:
            world.close()
    return report.finish(as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
