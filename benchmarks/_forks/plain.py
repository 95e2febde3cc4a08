"""The same variants without a platform: in one loop, one after another or in batches; and in several processes."""

from __future__ import annotations

import subprocess
import sys
import time

import torch

from arc_fabric import Session, StateManager, World
from arc_fabric.batches.together import RowStep, step_together
from arc_fabric.models.registry import load_model
from benchmarks._forks.system import PROMPT, STEPS, TRUNK


def plain_loop(forks: int) -> float:
    """Seconds of the variants, one after another, in this process; checkpoints stay in its memory."""
    with World("tabletop", max_checkpoints=TRUNK + STEPS + 4) as world:
        line = world.session(PROMPT, seed=7)
        line.step(TRUNK)
        began = time.perf_counter()
        for seed in range(forks):
            fork = line.fork(seed=seed)
            fork.step(STEPS)
            fork.close()
        return time.perf_counter() - began


def batched_loop(forks: int, rows: int, threads: int) -> float:
    """Seconds of the variants in fast batches of so many rows, in this process; nothing is stored, shown or noted."""
    torch.set_num_threads(threads)
    model = load_model("tabletop", "cpu")
    manager = StateManager(model, max_checkpoints=rows + 4)
    frame = next(iter(model.samples().values()))  # type: ignore[attr-defined]
    line = Session("trunk", model, manager, PROMPT, frame, seed=7)
    for _ in range(TRUNK):
        line.step()

    def some(first: int, count: int, steps: int) -> None:
        group = [line.fork(seed=first + n) for n in range(count)]
        for _ in range(steps):
            step_together([RowStep(fork) for fork in group], fast=True)

    some(0, rows, STEPS)  # everything is warm, in all shapes
    began = time.perf_counter()
    for first in range(0, forks, rows):
        some(first, min(rows, forks - first), STEPS)
    return time.perf_counter() - began


def in_processes(processes: int, forks: int, rows: int, threads: int) -> float:
    """Seconds of `batched_loop` in so many processes at once, each with its share: what the cores allow. Each
    measures from when it is warm, so that loading is in none; the slowest one counts."""
    program = (
        "import sys; from benchmarks._forks import plain; "
        f"print(plain.batched_loop({forks // processes}, {rows}, {threads}))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    return max(float(child.communicate()[0]) for child in children)
