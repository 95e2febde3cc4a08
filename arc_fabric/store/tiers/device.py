"""Tensors alive on a device."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from dataclasses import dataclass
from functools import partial

import torch

from arc_fabric.base.lru import Lru
from arc_fabric.store.format.manifest import Piece, TensorRecord
from arc_fabric.store.format.seal import seal_of


class DeviceTier:
    """Tensors still alive somewhere (in a model, in a caller's hands), with the pieces they consist of.

    Weak references cost nothing; the latest are also held strongly within `budget` bytes. A tensor that was written in
    place since (its seal is another) is no longer believed. Thread-safe.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.counters: Counter[str] = Counter()
        self._records: dict[int, _Alive] = {}
        self._by_start: dict[tuple[str, str, str], dict[int, None]] = {}
        self._held: Lru[int, torch.Tensor] = Lru(budget, lambda tensor: tensor.nbytes)
        self._lock = threading.RLock()

    def remember(self, tensor: torch.Tensor, record: TensorRecord) -> None:
        """Note that `tensor` consists of `record`'s pieces."""
        if not record.pieces:
            return
        me, seal = id(tensor), seal_of(tensor)
        with self._lock:
            self._forget(me)
            start = _start(record, tensor.device)
            ref = weakref.ref(tensor, partial(self._died, me))
            self._records[me] = _Alive(ref, seal, record, start)
            self._by_start.setdefault(start, {})[me] = None
            if tensor.nbytes <= self.budget:
                self._held.add(me, tensor)

    def record_of(self, tensor: torch.Tensor) -> TensorRecord | None:
        """The pieces of this very tensor, if known."""
        with self._lock:
            found = self._records.get(id(tensor))
        if found is None or found.ref() is not tensor or found.seal != seal_of(tensor):
            return None
        return found.record

    def longest(self, wanted: TensorRecord, device: torch.device) -> tuple[torch.Tensor, int] | None:
        """The living tensor on `device` that shares most leading pieces with `wanted`, and how many."""
        found = [(_shared(wanted.pieces, alive.record.pieces), tensor.shape == wanted.shape, tensor, alive.seal)
                 for tensor, alive in self._candidates(wanted, device)]  # fmt: skip
        found.sort(key=lambda one: one[:2], reverse=True)
        best = next(((tensor, n) for n, _, tensor, seal in found if n and seal == seal_of(tensor)), None)
        self.counters["hits" if best else "misses"] += 1
        return best

    def distrust(self, checkpoint_id: str) -> None:
        """Forget tensors with pieces in a checkpoint that could not be stored."""
        with self._lock:
            for me, alive in list(self._records.items()):
                if any(piece.checkpoint == checkpoint_id for piece in alive.record.pieces):
                    self._forget(me)

    def usage(self) -> dict[str, int]:
        """tensors known alive, bytes held, budget and the counters."""
        with self._lock:
            sizes = {"tensors": len(self._records), "bytes": self._held.used, "budget": self.budget}
            return sizes | dict(self.counters)

    def _candidates(self, wanted: TensorRecord, device: torch.device) -> list[tuple[torch.Tensor, _Alive]]:
        found: list[tuple[torch.Tensor, _Alive]] = []
        with self._lock:
            for me in list(self._by_start.get(_start(wanted, device), ())):
                alive = self._records.get(me)
                tensor = alive.ref() if alive else None
                if alive is None or tensor is None:
                    continue
                if (alive.record.dtype, alive.record.axis) == (wanted.dtype, wanted.axis):
                    found.append((tensor, alive))
        return found

    def _died(self, me: int, ref: weakref.ref[torch.Tensor]) -> None:
        with self._lock:
            found = self._records.get(me)
            if found is not None and found.ref is ref:
                self._forget(me)

    def _forget(self, me: int) -> None:
        found = self._records.pop(me, None)
        self._held.pop(me)
        if found is not None:
            members = self._by_start.get(found.start, {})
            members.pop(me, None)
            if not members:
                self._by_start.pop(found.start, None)


@dataclass(frozen=True, eq=False)
class _Alive:
    ref: weakref.ref[torch.Tensor]
    seal: int
    record: TensorRecord
    start: tuple[str, str, str]


def _start(record: TensorRecord, device: torch.device) -> tuple[str, str, str]:
    first: Piece = record.pieces[0]
    return str(device), record.dtype, first.digest or f"zero{first.length}"


def _shared(wanted: tuple[Piece, ...], has: tuple[Piece, ...]) -> int:
    count = 0
    for want, have in zip(wanted, has, strict=False):
        if (want.digest, want.length, want.extent) != (have.digest, have.length, have.extent):
            break
        count += 1
    return count
