"""What evaluations cost: python -m benchmarks.forks [--json] [--only waiting,orchestration,resume].

`waiting`: 10,000 variants accepted at once. `orchestration`: 64 forks x 8 steps through the whole system, against the
same variants one after another in a plain loop of the same model in one process. `resume`: kill -9 of web app and
workers at random moments; variants that ran twice or were lost.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from arc_fabric import World
from arc_fabric.base.threads import once
from arc_fabric.client import ArcFabric, RemoteEvaluation
from arc_fabric.errors import ServiceError
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys
from arc_fabric.services.stack import Stack
from arc_fabric.settings import load_settings
from benchmarks.rows import Report, progress

PROMPT = "pick up the red cup"
FORKS, STEPS, TRUNK = 64, 8, 2
SCORERS = [{"name": "action_magnitude"}]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.forks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--only", default="waiting,orchestration,resume", help="parts to measure")
    parser.add_argument("--workers", type=int, default=1, help="workers with a model, each on the CPU")
    parser.add_argument("--forks", type=int, default=FORKS, help="variants of `orchestration` and `resume`")
    parser.add_argument("--kills", type=int, default=10, help="times that everything is killed")
    options = parser.parse_args(argv)
    report = Report("forks")
    parts = {"waiting": waiting, "orchestration": orchestration, "resume": resume}
    for name in options.only.split(","):
        progress(f"{name} ...")
        parts[name](report, options)
    return report.finish(as_json=options.json)


def waiting(report: Report, options: argparse.Namespace) -> None:
    """Accepting 10,000 variants: seconds, and what one that waits takes in Redis."""
    with _system(options.workers) as (stack, fabric):
        ledger, head = Ledger(stack.settings.redis_url), _trunk(fabric)
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
    report.add("Redis bytes per waiting variant, of 10,000", per_variant, "bytes", at_most=300, baselines=sizes)


def orchestration(report: Report, options: argparse.Namespace) -> None:
    """Steps per second of an evaluation over those of a plain loop, measured before and after it."""
    plain = [_plain_loop(options.forks)]
    with _system(options.workers) as (_, fabric):
        head = _trunk(fabric)
        _evaluate(fabric, head, 2).wait()  # everything is warm
        began = time.perf_counter()
        evaluation = _evaluate(fabric, head, options.forks)
        evaluation.wait()
        ours = time.perf_counter() - began
        rows = evaluation.rows()
        busy = sum(row["wall_s"] for row in rows) / options.workers
    plain.append(_plain_loop(options.forks))
    mean = sum(plain) / 2
    facts = {"ours_s": round(ours, 2), "plain_s": [round(one, 2) for one in plain], "workers": options.workers,
             "cores": len(os.sched_getaffinity(0))}  # fmt: skip
    name = f"{options.forks} forks x {STEPS} steps: steps/s of an evaluation / of a plain loop in one process"
    report.add(name, mean / ours, "ratio", baselines=facts)
    report.add("share of its wall time in which no worker stepped", 1 - busy / ours, "ratio", at_most=0.05)


def resume(report: Report, options: argparse.Namespace) -> None:
    """Everything but the servers is killed at random moments; each variant must have run once."""
    rng = random.Random(5)
    with _system(options.workers) as (stack, fabric):
        head = _trunk(fabric)
        evaluation = _evaluate(fabric, head, options.forks, steps=2)
        for _ in range(options.kills):
            time.sleep(rng.uniform(0.3, 3.0))
            for service in stack.view()["services"]:
                if service["kind"] in ("worker", "web"):
                    os.kill(service["pid"], signal.SIGKILL)
            _until_up(fabric, evaluation)
        evaluation.wait(timeout=600)
        rows, jobs = evaluation.rows(), Counter(job.state for job in fabric.jobs(kind="fork"))
    lost = options.forks - len({row["variant"] for row in rows})
    twice = sum(jobs.values()) - options.forks
    facts = {"kills": options.kills, "variants": options.forks, "jobs": dict(jobs), "errors": evaluation.info.errors}
    report.add("variants lost, of those killed around", lost, "variants", at_most=0, baselines=facts)
    report.add("variants that ran twice", twice, "variants", at_most=0)


@contextmanager
def _system(workers: int) -> Iterator[tuple[Stack, ArcFabric]]:
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        devices = ",".join(["cpu"] * workers)
        stack = Stack(load_settings(data_dir=folder, devices=devices, flower=False, model="tabletop", port=0))
        stack.start()
        once("watch", stack.watch)  # what is killed is started again
        try:
            with ArcFabric(stack.url) as fabric:
                yield stack, fabric
        finally:
            stack.stop()


def _trunk(fabric: ArcFabric) -> str:
    return fabric.new_session(PROMPT, seed=7).step(TRUNK)[-1].checkpoint_id


def _evaluate(fabric: ArcFabric, head: str, forks: int, steps: int = STEPS) -> RemoteEvaluation:
    return fabric.evaluate(checkpoints=[head], seeds=list(range(forks)), steps=steps, scorers=SCORERS)


def _plain_loop(forks: int) -> float:
    """Seconds of the same variants, one after another, in this process; checkpoints stay in its memory."""
    with World("tabletop", max_checkpoints=TRUNK + STEPS + 4) as world:
        trunk = world.session(PROMPT, seed=7)
        trunk.step(TRUNK)
        began = time.perf_counter()
        for seed in range(forks):
            fork = trunk.fork(seed=seed)
            fork.step(STEPS)
            fork.close()
        return time.perf_counter() - began


def _until_up(fabric: ArcFabric, evaluation: RemoteEvaluation) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            evaluation.refresh()
            return
        except ServiceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
