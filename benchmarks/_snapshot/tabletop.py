"""The same question as steps.wall of the real model of the package: what do checkpoints cost its steps?"""

from __future__ import annotations

import statistics
import time

from arc_fabric.manager import StateManager
from arc_fabric.models.registry import load_model
from arc_fabric.session import Session
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend
from benchmarks._snapshot.world import settle
from benchmarks.rows import Report

ROUNDS = 21


def wall(report: Report, backend: Backend, device: str) -> None:
    """Windows with a checkpoint per step and windows without in turn, step against step of the same place in it."""
    model = load_model("tabletop", device)
    store = SnapshotStore(backend)
    frame = next(iter(model.samples().values()))
    session = Session("bench", model, StateManager(model, store=store), "pick up the red cup", frame)
    steps = model.geometry.steps_per_window
    times: dict[bool, list[list[float]]] = {kept: [[] for _ in range(steps)] for kept in (True, False)}
    for _ in range(steps):
        session.step()  # warm up
    for _ in range(ROUNDS):
        for kept in (True, False):
            for place in range(steps):
                times[kept][place].append(_timed(session, kept))
        store.flush(60)
    store.close()
    with_, without = (sum(statistics.median(place) for place in times[kept]) for kept in (True, False))
    best = sum(min(place) for place in times[True]) / sum(min(place) for place in times[False])
    report.add("wall of a tabletop step with auto-checkpoint / without", with_ / without, "ratio", at_most=1.05,
               baselines={"step_s": without / steps, "of_the_fastest_steps": best})  # fmt: skip


def _timed(session: Session, kept: bool) -> float:
    settle()
    began = time.perf_counter()
    session.step(auto_checkpoint=kept)
    settle()
    return time.perf_counter() - began
