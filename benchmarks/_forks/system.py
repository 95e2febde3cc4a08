"""A whole system of its own for one measurement, and what is asked of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from arc_fabric.base.threads import once
from arc_fabric.client import ArcFabric, RemoteEvaluation
from arc_fabric.services.stack import Stack
from arc_fabric.settings import load_settings

PROMPT = "pick up the red cup"
STEPS, TRUNK = 8, 2
SCORERS = [{"name": "action_magnitude"}]


@contextmanager
def system(workers: int, **settings: Any) -> Iterator[tuple[Stack, ArcFabric]]:
    """Servers, web app and so many workers with the tabletop model, on the CPU; what dies is started again."""
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        devices = ",".join(["cpu"] * workers)
        values = {"data_dir": folder, "devices": devices, "flower": False, "model": "tabletop", "port": 0} | settings
        stack = Stack(load_settings(**values))
        stack.start()
        once("watch", stack.watch)
        try:
            with ArcFabric(stack.url) as fabric:
                yield stack, fabric
        finally:
            stack.stop()


def trunk(fabric: ArcFabric) -> str:
    """A checkpoint after two steps."""
    return fabric.new_session(PROMPT, seed=7).step(TRUNK)[-1].checkpoint_id


def evaluate(
    fabric: ArcFabric, head: str, forks: int, steps: int = STEPS, *, batch: str = "exact", first: int = 0
) -> RemoteEvaluation:
    """So many variants of the trunk, which differ by their seeds."""
    seeds = list(range(first, first + forks))
    return fabric.evaluate(checkpoints=[head], seeds=seeds, steps=steps, scorers=SCORERS, batch=batch)
