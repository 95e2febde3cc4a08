"""Steps per second of an evaluation in fast batches, what of it goes to orchestration, and what memory it takes."""

from __future__ import annotations

import argparse
import os

import psutil

from arc_fabric.base.threads import Rounds
from arc_fabric.services.stack import Stack
from benchmarks._forks.plain import batched_loop, in_processes, plain_loop
from benchmarks._forks.system import STEPS, evaluate, system, trunk
from benchmarks.rows import Report

ROWS = 4


def throughput(report: Report, options: argparse.Namespace) -> None:
    """64 forks x 8 steps `fast`, against the plain loop of the exact model measured before and after, and against the
    batched loop in as many processes as there are workers."""
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // options.workers)
    plain = [plain_loop(options.forks)]
    alone = batched_loop(options.forks, ROWS, threads)
    limit = in_processes(options.workers, options.forks, ROWS, threads)
    with system(options.workers) as (stack, fabric):
        head = trunk(fabric)
        evaluate(fabric, head, ROWS * options.workers * 2, batch="fast", first=10_000).wait()  # everything is warm
        meter = _Memory(stack)
        evaluation = evaluate(fabric, head, options.forks, batch="fast")
        meter.start()
        evaluation.wait(timeout=3600)
        meter.end()
        rows = evaluation.rows()
        times = [(fabric.job(row["job_id"]).started or 0.0, row["finished"]) for row in rows]
        ours = max(end for _, end in times) - evaluation.info.created
        busy = sum(row["wall_s"] for row in rows) / options.workers
        node = fabric.checkpoint(head)
        made = sum(step["bytes_new"] for row in rows for step in (fabric.job(row["job_id"]).result or {})["steps"])
    plain.append(plain_loop(options.forks))
    mean = sum(plain) / 2
    facts = {
        "ours_s": ours, "plain_s": plain, "batched_loop_s": alone, "batched_in_processes_s": limit,
        "workers": options.workers, "cores": cores, "rows": ROWS,
        "errors": sum(row["state"] == "error" for row in rows), "load": os.getloadavg(),
    }  # fmt: skip
    name = f"{options.forks} forks x {STEPS} steps, fast"
    report.add(f"{name}: steps/s of an evaluation / of the plain loop of the exact model", mean / ours, "ratio",
               at_least=2.0, baselines=facts)  # fmt: skip
    report.add("of the same loop in batches, in as many processes: what the cores allow", mean / limit, "ratio")
    report.add("steps/s of an evaluation / what the cores allow", limit / ours, "ratio", at_least=0.9)
    report.add("share of its wall time in which no worker stepped", 1 - busy / ours, "ratio", at_most=0.05)
    memory = {"grown_bytes": meter.grown, "trunk_bytes": node.bytes_total, "deltas_bytes": made}
    report.add(
        "peak memory of the workers above that at rest / (trunk + deltas)", meter.grown / (node.bytes_total + made),
        "ratio", at_most=1.2, baselines=memory,
    )  # fmt: skip


class _Memory(Rounds):
    """The workers' resident memory, all together, ten times a second."""

    def __init__(self, stack: Stack) -> None:
        services = stack.view()["services"]
        self._workers = [psutil.Process(s["pid"]) for s in services if s["kind"] == "worker" and s["name"] != "media"]
        self._before = self._now()
        self.grown = 0
        super().__init__("memory", self._look, every_s=0.1)

    def _look(self) -> None:
        self.grown = max(self.grown, self._now() - self._before)

    def _now(self) -> int:
        return sum(worker.memory_info().rss for worker in self._workers)
