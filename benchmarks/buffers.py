"""Caches in buffers that a model writes in place: what a step copies and stores: python -m benchmarks.buffers [--json].

A full rolling cache of Self-Forcing's form (shifting after a sink, or a ring), random numbers for keys and values, at a
fraction of its size. Held against: bytes of the block that a step wrote, and the time of one plain copy of it (of each
the least of the steps on a full cache: what a busy machine disturbs least). What a capture costs beside its copies is
measured on a cache of the real form with entries of a few bytes: 30 layers, 21 units each.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from arc_fabric.held.capture import Capture
from arc_fabric.models.contract import Part, State
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import MemoryBackend
from benchmarks.rows import Report, progress

TOKENS, HEADS, HEAD_DIM = 390, 12, 128
LAYERS, FRAMES, BLOCK = 4, 21, 3
STEPS = 24
KINDS = {"shifts": (0, False), "shifts after a sink": (3, False), "ring": (0, True)}


class Buffers:
    """Keys and values of some layers; a step writes a block, in place."""

    def __init__(
        self, sink: int, *, ring: bool, tokens: int = TOKENS, width: int = HEAD_DIM, layers: int = LAYERS
    ) -> None:
        self.sink, self.ring, self.written, self.tokens = sink * tokens, ring, 0, tokens
        shape = (1, FRAMES * tokens, HEADS, width)
        self.k, self.v = ([torch.zeros(shape, dtype=torch.bfloat16) for _ in range(layers)] for _ in range(2))
        unit = tokens if tokens < TOKENS else BLOCK * tokens
        part = Part(
            "rolling", layers=True, axis=1, unit=unit, capacity=FRAMES * tokens, sink=self.sink, ring=ring,
            written="written",
        )  # fmt: skip
        self.parts = {"k": part, "v": part, "written": Part("scalar")}

    def export_state(self) -> State:
        """The buffers."""
        return {"k": self.k, "v": self.v, "written": self.written}

    def load_state(self, state: State) -> None:
        """The counter."""
        self.written = int(state["written"])  # type: ignore[arg-type]

    def reset(self) -> None:
        """Nothing was written."""
        self.written = 0

    def step(self) -> list[Tensor]:
        """Write a block; the views of it in the buffers."""
        count, limit = BLOCK * self.tokens, FRAMES * self.tokens
        at = min(self.written, limit - count)
        if self.ring and self.written >= limit:
            at = self.written % limit
        elif self.written >= limit:
            for buffer in (*self.k, *self.v):
                buffer[:, self.sink : limit - count] = buffer[:, self.sink + count :].clone()
        views = [buffer[:, at : at + count] for buffer in (*self.k, *self.v)]
        for view in views:
            view.copy_(torch.randint(-99, 99, view.shape, dtype=torch.int16).to(view.dtype))
        self.written += count
        return views


def _copy(views: Sequence[Tensor]) -> float:
    """Seconds of one plain copy."""
    started = time.perf_counter()
    clones = [view.clone() for view in views]
    took = time.perf_counter() - started
    del clones
    return took


def measure(report: Report, name: str, sink: int, *, ring: bool) -> None:
    """Bytes copied and stored by the steps on a full cache, and the time of the copies."""
    buffers = Buffers(sink, ring=ring)
    capture, store = Capture(buffers, torch.device("cpu")), SnapshotStore(MemoryBackend())
    copied, stored, ours, plain = [], [], [], []
    for step in range(STEPS):
        views = buffers.step()
        size = sum(view.nbytes for view in views)
        if step % 2:  # who comes second finds more in the processor's caches
            plain.append(_copy(views))
        started = time.perf_counter()
        held, _ = capture.take()
        ours.append(time.perf_counter() - started)
        if not step % 2:
            plain.append(_copy(views))
        copied.append(capture.bytes_last / size)
        parent = f"c{step - 1}" if step else None
        store.put(f"c{step}", [TensorEntry(key, tensor) for key, tensor in held.items()], {}, parent_id=parent)
        store.flush()
        stored.append(store.manifest(f"c{step}").bytes_new / size)
    full = FRAMES // BLOCK
    sizes = {"block_bytes": size, "copy_s": round(min(plain[full:]), 5)}
    for what, value, most in (
        ("bytes stored per step / bytes of its block", max(stored[full:]), 1.05),
        ("bytes copied per step / bytes of its block", max(copied[full:]), 1.1),
        ("time of the capture / one copy of the block", min(ours[full:]) / min(plain[full:]), 1.1),
    ):
        report.add(f"{name}: {what}", value, "ratio", at_most=most, baselines=sizes)
    store.close()


def beside(report: Report) -> None:
    """Microseconds of a capture of 30 layers beside its copies: looking up 1,200 units that are known."""
    tiny = Buffers(0, ring=True, tokens=1, width=1, layers=30)
    capture = Capture(tiny, torch.device("cpu"))
    took, copies = [], []
    for _ in range(3 * STEPS):
        views = tiny.step()
        copies.append(_copy(views))
        started = time.perf_counter()
        capture.take()
        took.append(time.perf_counter() - started)
    beside = 1e6 * (min(took[FRAMES:]) - min(copies[FRAMES:]))
    report.add("a capture beside its copies, 30 layers of 21 frames", beside, "us")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.buffers", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args(argv)
    report = Report("buffers")
    progress("beside the copies ...")
    beside(report)
    for name, (sink, ring) in KINDS.items():
        progress(f"{name} ...")
        measure(report, name, sink, ring=ring)
    return report.finish(as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
