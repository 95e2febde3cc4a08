"""Steps per second of a model, with a checkpoint per step and without."""

from __future__ import annotations

import statistics

from arc_fabric.manager import StateManager
from arc_fabric.models.contract import WorldModel
from arc_fabric.session import Session
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend
from benchmarks._gpu.rebuild import picture_for
from benchmarks._snapshot.world import clock
from benchmarks.rows import Report

WINDOWS = 5


def stepping(report: Report, backend: Backend, model: WorldModel, windows: int = WINDOWS) -> None:
    """Whole windows, so that the anchor's encoding counts in its share; frames are decoded as in every step."""
    store = SnapshotStore(backend)
    session = Session("bench", model, StateManager(model, store=store), "pick up the red cup", picture_for(model))
    steps = model.geometry.steps_per_window

    def window(kept: bool) -> None:
        for _ in range(steps):
            session.step(auto_checkpoint=kept)

    window(False)  # warm up
    times = {kept: statistics.median(clock(lambda k=kept: window(k)) for _ in range(windows)) for kept in (False, True)}
    store.flush(600)
    store.close()
    rates = {kept: steps / seconds for kept, seconds in times.items()}
    report.add(f"{model.identity().name}: steps per second", rates[False], "1/s",
               baselines={"with_a_checkpoint_per_step": rates[True],
                          "frames_per_second": rates[False] * model.geometry.frames_per_step})  # fmt: skip
