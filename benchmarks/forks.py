"""What evaluations and rollouts cost: python -m benchmarks.forks [--json] [--only waiting,throughput,resume,vector].

`waiting`: 10,000 variants accepted at once. `throughput`: 64 forks x 8 steps in fast batches through the whole system,
against the same variants one after another in a plain loop of the exact model, and in batches in as many processes as
there are workers. `resume`: kill -9 of web app and workers at random moments; variants that ran twice or were lost.
`vector`: 16 worlds in a vector environment against 16 single ones.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from arc_fabric.client import RemoteEvaluation
from arc_fabric.errors import ServiceError
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys
from benchmarks._forks.rollouts import vector
from benchmarks._forks.system import STEPS, evaluate, system, trunk
from benchmarks._forks.throughput import throughput
from benchmarks.rows import Report, progress

FORKS = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.forks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--only", default="waiting,throughput,resume,vector", help="parts to measure")
    parser.add_argument("--workers", type=int, default=2, help="workers with a model, each on the CPU")
    parser.add_argument("--forks", type=int, default=FORKS, help="variants of `throughput` and `resume`")
    parser.add_argument("--kills", type=int, default=20, help="times that everything is killed")
    parser.add_argument("--worlds", type=int, default=16, help="worlds of `vector`")
    parser.add_argument("--batch", default="fast", choices=("exact", "fast"), help="batches of `resume`")
    options = parser.parse_args(argv)
    report = Report("forks")
    parts = {"waiting": waiting, "throughput": throughput, "resume": resume, "vector": vector}
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in parts]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(parts)}")
    took = {}
    for name in chosen:
        progress(f"{name} ...")
        began = time.perf_counter()
        try:
            parts[name](report, options)
        except Exception as error:  # noqa: BLE001  the other parts still have something to say
            report.add(
                f"{name} broke off", 1, "errors", at_most=0, baselines={"error": f"{type(error).__name__}: {error}"}
            )
        took[name] = round(time.perf_counter() - began, 1)
    report.add("time of all parts", sum(took.values()), "s", baselines=took)
    return report.finish(as_json=options.json)


def waiting(report: Report, options: argparse.Namespace) -> None:
    """Accepting 10,000 variants: seconds, and what one that waits takes in Redis."""
    with system(options.workers) as (stack, fabric):
        ledger, head = Ledger(stack.settings.redis_url), trunk(fabric)
        sizes, seconds = {}, 0.0
        for count in (10, 10_000):
            began = time.perf_counter()
            made = fabric.evaluate(checkpoints=[head], seeds=list(range(count)), steps=STEPS)
            seconds = time.perf_counter() - began
            made.cancel()
            parts = (keys.evaluation, keys.evaluation_plan, keys.evaluation_again)
            sizes[count] = sum(ledger.redis.memory_usage(part(made.id)) or 0 for part in parts)
        ledger.close()
    report.add("accepting 10,000 variants", seconds, "s", at_most=5.0)
    per_variant = (sizes[10_000] - sizes[10]) / 9_990
    report.add(
        "Redis bytes per waiting variant, of 10,000",
        per_variant,
        "bytes",
        at_most=300,
        baselines={str(n): size for n, size in sizes.items()},
    )


def resume(report: Report, options: argparse.Namespace) -> None:
    """Everything but the servers is killed at random moments, each time after it has got on again; each variant must
    have run once."""
    rng, during = random.Random(5), 0
    with system(options.workers) as (stack, fabric):
        head = trunk(fabric)
        evaluation = evaluate(fabric, head, options.forks, steps=2, batch=options.batch)
        for _ in range(options.kills):
            time.sleep(rng.uniform(0.3, 3.0))
            before = evaluation.refresh()
            during += not before.over
            for service in stack.view()["services"]:
                if service["kind"] in ("worker", "web") and service["pid"] is not None:  # it may be down already
                    with suppress(ProcessLookupError):
                        os.kill(service["pid"], signal.SIGKILL)
            _until_it_goes_on(evaluation, before.done)
        evaluation.wait(timeout=600)
        rows, jobs = evaluation.rows(), Counter(job.state for job in fabric.jobs(kind="fork"))
    lost = options.forks - len({row["variant"] for row in rows})
    twice = sum(jobs.values()) - options.forks
    facts = {
        "kills": options.kills,
        "of_them_while_it_ran": during,
        "variants": options.forks,
        "jobs": dict(jobs),
        "errors": evaluation.info.errors,
    }
    report.add("variants lost, of those killed around", lost, "variants", at_most=0, baselines=facts)
    report.add("variants that ran twice", twice, "variants", at_most=0)


def _until_it_goes_on(evaluation: RemoteEvaluation, done: int) -> None:
    """Until there is a result more, so that a kill hits a system that works, or until it is over."""
    deadline = time.monotonic() + 180
    while True:
        try:
            info = evaluation.refresh()
            if info.over or info.done > done:
                return
        except ServiceError:
            pass  # it is being started again
        if time.monotonic() > deadline:
            raise TimeoutError(f"no variant was made for 180 s after a kill; {evaluation}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
