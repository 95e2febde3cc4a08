"""A step, its way to storage, its manifest and a cold restore, deep in a lineage over at its beginning."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from arc_fabric.manager import StateManager
from arc_fabric.media.frames import STRIP, pack_strip
from arc_fabric.models.contract import WorldModel
from arc_fabric.models.registry import load_model
from arc_fabric.session import Session
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, DiskBackend
from arc_fabric.store.format.manifest import MANIFEST, key_of
from benchmarks.rows import Report, progress
from tests.support.toy_model import ToyModel

T = TypeVar("T")
NEAR = 10
AT_HAND = 4
"""Checkpoints that a manager keeps: fewer than either line has, so that both let one go per step. What that costs does
not depend on the depth; with the default (50) only the deep line would pay it."""
WINDOWS = 10
"""Windows that are measured at either depth, in turns: a busy machine disturbs both alike."""
BARS = {"step": 1.1, "commit": 1.1, "manifest bytes": 1.1, "cold restore": 1.5}


def toy(report: Report, depth: int) -> None:
    """The tests' model, which steps in a millisecond: nearly all of its step is ours."""
    model = ToyModel()
    _measure(report, "toy", model, model.sample_frame(), depth)


def tabletop(report: Report, depth: int) -> None:
    """The package's own model."""
    model: Any = load_model("tabletop", "cpu")
    _measure(report, "tabletop", model, next(iter(model.samples().values())), depth)


def _measure(report: Report, name: str, model: WorldModel, picture: np.ndarray, depth: int) -> None:
    with _line(model, picture) as grow, _line(model, picture) as fresh:
        window = model.geometry.steps_per_window
        near, deep = NEAR - NEAR % window, depth - depth % window
        grow.to(deep)
        figures: dict[str, dict[str, list[float]]] = {"near": {}, "deep": {}}
        for i in range(WINDOWS):
            fresh.begin_at(near)
            for place, line in (("near", fresh), ("deep", grow)):
                for what, values in line.window().items():
                    figures[place].setdefault(what, []).append(values)
            progress(f"  {name}: window {i + 1} of {WINDOWS}")
    for what, bar in BARS.items():
        shallow, at_depth = (statistics.median(figures[place][what]) for place in ("near", "deep"))
        report.add(f"{name}: {what} at depth {deep} / at {near}", at_depth / shallow, "ratio", at_most=bar,
                   baselines={"near": shallow, "deep": at_depth})  # fmt: skip


class _Line:
    """One session whose checkpoints are stored on local disk."""

    def __init__(self, model: WorldModel, picture: np.ndarray, backend: Backend) -> None:
        self._model, self._backend, self._picture = model, backend, picture
        self._store = SnapshotStore(backend, host_cache_bytes=64 << 20)
        self._manager = StateManager(model, max_checkpoints=AT_HAND, store=self._store)
        self._session = self._begin()

    def to(self, depth: int) -> None:
        """Step on to this depth, with another prompt per window: nothing repeats."""
        while self._session.frame_index < depth:
            self._step()
            if self._session.frame_index % 1000 == 0:
                progress(f"  at step {self._session.frame_index}")
        self._store.flush(600)

    def begin_at(self, depth: int) -> None:
        """Begin again, and step to this depth."""
        self._session = self._begin()
        self.to(depth)

    def window(self) -> dict[str, float]:
        """Seconds of a step, seconds until it is stored, bytes of its manifest and seconds of a cold restore: means
        over a window of steps, each step from a warm head."""
        self._step()  # whichever line was measured before had the model's head
        steps = [self._measured() for _ in range(self._model.geometry.steps_per_window)]
        return {what: statistics.mean(step[what] for step in steps) for what in steps[0]}

    def close(self) -> None:
        """Stop the store's threads."""
        self._store.close()

    def _begin(self) -> Session:
        return Session("growth", self._model, self._manager, "pick up the red cup", self._picture)

    def _step(self) -> str:
        window = self._session.frame_index // self._model.geometry.steps_per_window
        self._session.prompt = f"pick up the red cup, {window}"
        taken = self._session.step(attachments=lambda frames: {STRIP: pack_strip(frames)})
        return taken.checkpoint_id or ""

    def _measured(self) -> dict[str, float]:
        gc.collect()
        step, checkpoint_id = _seconds(self._step)
        commit, _ = _seconds(lambda: self._store.flush(600))
        size = self._backend.stat(key_of(checkpoint_id, MANIFEST)).size
        cold, _ = _seconds(lambda: self._restore(checkpoint_id))
        return {"step": step, "commit": step + commit, "manifest bytes": size, "cold restore": cold}

    def _restore(self, checkpoint_id: str) -> None:
        store = SnapshotStore(self._backend, host_cache_bytes=0)
        store.get(checkpoint_id, self._model.device)
        store.close()


@contextmanager
def _line(model: WorldModel, picture: np.ndarray) -> Iterator[_Line]:
    with TemporaryDirectory(prefix="arc-bench-") as folder:
        line = _Line(model, picture, DiskBackend(Path(folder), sync=False))
        try:
            yield line
        finally:
            line.close()


def _seconds(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done
