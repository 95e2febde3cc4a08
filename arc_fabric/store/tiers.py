"""The tiers above object storage: tensors alive on a device, pieces in host memory, pieces on local disk."""

from __future__ import annotations

import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from arc_fabric.store.backends import DiskBackend
from arc_fabric.store.manifest import Piece, TensorRecord
from arc_fabric.store.pieces import byte_view


class HostTier:
    """Pieces in host memory by digest, each its own uint8 buffer; the least recently used unpinned one goes first.

    Thread-safe. Pinned pieces (not stored yet, or pinned by a user) do not count against `budget`.
    """

    def __init__(self, budget: int, on_evict: Callable[[str, torch.Tensor], None] | None = None) -> None:
        self.budget = budget
        self.counters: Counter[str] = Counter()
        self._buffers: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._bytes = 0
        self._pinned_bytes = 0
        self._on_evict = on_evict
        self._lock = threading.Lock()

    def put(self, digest: str, buffer: torch.Tensor) -> None:
        """Keep a piece; it may be evicted at once if the budget is small."""
        with self._lock:
            if digest not in self._buffers:
                self._buffers[digest] = buffer
                self._bytes += buffer.numel()
                self._pinned_bytes += buffer.numel() if self._pins[digest] else 0
        self._shrink()

    def get(self, digest: str) -> torch.Tensor | None:
        """The piece's buffer, or None; the caller must not write into it."""
        with self._lock:
            found = self._buffers.get(digest)
            self.counters["hits" if found is not None else "misses"] += 1
            if found is not None:
                self._buffers.move_to_end(digest)
                self.counters["hit_bytes"] += found.numel()
            return found

    def pin(self, digests: Iterable[str]) -> None:
        """Keep these pieces, present or to come, until as many unpins."""
        with self._lock:
            for digest in digests:
                self._pins[digest] += 1
                if self._pins[digest] == 1 and digest in self._buffers:
                    self._pinned_bytes += self._buffers[digest].numel()

    def unpin(self, digests: Iterable[str]) -> None:
        """Undo one pin of each."""
        with self._lock:
            for digest in digests:
                self._pins[digest] -= 1
                if self._pins[digest] <= 0:
                    del self._pins[digest]
                    if digest in self._buffers:
                        self._pinned_bytes -= self._buffers[digest].numel()
        self._shrink()

    def evict(self, digests: Iterable[str]) -> None:
        """Drop these pieces now unless they are pinned."""
        with self._lock:
            gone = [(digest, self._remove(digest)) for digest in digests if self._evictable(digest)]
        self._tell(gone)

    def usage(self) -> dict[str, int]:
        """bytes, pinned_bytes, pieces, budget and the counters."""
        with self._lock:
            sizes = {"bytes": self._bytes, "pinned_bytes": self._pinned_bytes, "pieces": len(self._buffers)}
            return sizes | {"budget": self.budget} | dict(self.counters)

    def _evictable(self, digest: str) -> bool:
        return digest in self._buffers and not self._pins.get(digest)

    def _shrink(self) -> None:
        gone: list[tuple[str, torch.Tensor]] = []
        with self._lock:
            if self._bytes - self._pinned_bytes > self.budget:
                for digest in list(self._buffers):
                    if self._bytes - self._pinned_bytes <= self.budget:
                        break
                    if self._evictable(digest):
                        gone.append((digest, self._remove(digest)))
        self._tell(gone)

    def _remove(self, digest: str) -> torch.Tensor:
        buffer = self._buffers.pop(digest)
        self._bytes -= buffer.numel()
        self.counters["evictions"] += 1
        return buffer

    def _tell(self, gone: list[tuple[str, torch.Tensor]]) -> None:
        if self._on_evict:
            for digest, buffer in gone:
                self._on_evict(digest, buffer)


class DiskTier:
    """Pieces that host memory evicted, as files by digest; the least recently used goes first. Thread-safe."""

    def __init__(self, path: Path, budget: int) -> None:
        self.budget = budget
        self.counters: Counter[str] = Counter()
        self._files = DiskBackend(path, sync=False)
        self._lock = threading.Lock()
        known = sorted(self._files.list(""), key=lambda info: info.modified)
        self._sizes = OrderedDict((info.key.rpartition("/")[2], info.size) for info in known)

    def put(self, digest: str, buffer: torch.Tensor) -> None:
        """Write a piece, making room first."""
        if buffer.numel() > self.budget:
            return
        with self._lock:
            if digest in self._sizes:
                return
            self._sizes[digest] = buffer.numel()
            while sum(self._sizes.values()) > self.budget:
                self._forget(next(iter(self._sizes)))
        self._files.put(_place(digest), byte_view(buffer))

    def readinto(self, digest: str, buffer: memoryview) -> bool:
        """Fill the buffer if the piece is here. The caller checks the digest, and calls `discard` on a mismatch."""
        with self._lock:
            present = digest in self._sizes
            self.counters["hits" if present else "misses"] += 1
            if not present:
                return False
            self._sizes.move_to_end(digest)
        try:
            self._files.readinto(_place(digest), 0, [buffer])
        except (KeyError, ValueError, OSError):
            self.discard(digest)
            return False
        self.counters["hit_bytes"] += len(buffer)
        return True

    def discard(self, digest: str) -> None:
        """Remove a piece."""
        with self._lock:
            if digest in self._sizes:
                self._forget(digest)

    def usage(self) -> dict[str, int]:
        """bytes, pieces, budget and the counters."""
        with self._lock:
            sizes = {"bytes": sum(self._sizes.values()), "pieces": len(self._sizes), "budget": self.budget}
            return sizes | dict(self.counters)

    def _forget(self, digest: str) -> None:
        del self._sizes[digest]
        self._files.delete(_place(digest))
        self.counters["evictions"] += 1


def _place(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


class DeviceTier:
    """Tensors still alive somewhere (in a model, in a caller's hands), with the pieces they consist of.

    Weak references cost nothing; the latest are also held strongly within `budget` bytes. A tensor that was written in
    place since (its version counter moved) is no longer believed. Thread-safe.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.counters: Counter[str] = Counter()
        self._records: dict[int, _Alive] = {}
        self._by_start: dict[tuple[str, str, str], dict[int, None]] = {}
        self._held: OrderedDict[int, torch.Tensor] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.RLock()

    def remember(self, tensor: torch.Tensor, record: TensorRecord) -> None:
        """Note that `tensor` consists of `record`'s pieces."""
        if not record.pieces:
            return
        me = id(tensor)
        with self._lock:
            self._forget(me)
            start = _start(record, tensor.device)
            ref = weakref.ref(tensor, lambda ref, me=me: self._died(me, ref))
            self._records[me] = _Alive(ref, version_of(tensor), record, start)
            self._by_start.setdefault(start, {})[me] = None
            self._hold(me, tensor)

    def record_of(self, tensor: torch.Tensor) -> TensorRecord | None:
        """The pieces of this very tensor, if known."""
        with self._lock:
            found = self._records.get(id(tensor))
            if found is None or found.ref() is not tensor or found.version != version_of(tensor):
                return None
            return found.record

    def longest(self, wanted: TensorRecord, device: torch.device) -> tuple[torch.Tensor, int] | None:
        """The living tensor on `device` that shares most leading pieces with `wanted`, and how many."""
        best: tuple[torch.Tensor, int] | None = None
        for tensor, record in self._candidates(wanted, device):
            shared = _shared(wanted.pieces, record.pieces)
            if shared and (best is None or shared > best[1] or (shared == best[1] and tensor.shape == wanted.shape)):
                best = tensor, shared
        self.counters["hits" if best else "misses"] += 1
        return best

    def clear(self) -> None:
        """Let go of the strongly held tensors."""
        with self._lock:
            self._held.clear()
            self._held_bytes = 0

    def usage(self) -> dict[str, int]:
        """tensors known alive, bytes held, budget and the counters."""
        with self._lock:
            sizes = {"tensors": len(self._records), "bytes": self._held_bytes, "budget": self.budget}
            return sizes | dict(self.counters)

    def _candidates(self, wanted: TensorRecord, device: torch.device) -> list[tuple[torch.Tensor, TensorRecord]]:
        found: list[tuple[torch.Tensor, TensorRecord]] = []
        with self._lock:
            for me in list(self._by_start.get(_start(wanted, device), ())):
                alive = self._records.get(me)
                tensor = alive.ref() if alive else None
                if alive is None or tensor is None or alive.version != version_of(tensor):
                    continue
                if (alive.record.dtype, alive.record.axis) == (wanted.dtype, wanted.axis):
                    found.append((tensor, alive.record))
        return found

    def _hold(self, me: int, tensor: torch.Tensor) -> None:
        size = tensor.numel() * tensor.element_size()
        if size > self.budget:
            return
        self._held[me] = tensor
        self._held_bytes += size
        while self._held_bytes > self.budget:
            _, oldest = self._held.popitem(last=False)
            self._held_bytes -= oldest.numel() * oldest.element_size()

    def _died(self, me: int, ref: weakref.ref[torch.Tensor]) -> None:
        with self._lock:
            found = self._records.get(me)
            if found is not None and found.ref is ref:
                self._forget(me)

    def _forget(self, me: int) -> None:
        found = self._records.pop(me, None)
        held = self._held.pop(me, None)
        if held is not None:
            self._held_bytes -= held.numel() * held.element_size()
        if found is not None:
            members = self._by_start.get(found.start, {})
            members.pop(me, None)
            if not members:
                self._by_start.pop(found.start, None)


@dataclass(frozen=True, eq=False)
class _Alive:
    ref: weakref.ref[torch.Tensor]
    version: int
    record: TensorRecord
    start: tuple[str, str, str]


def version_of(tensor: torch.Tensor) -> int:
    """Counts in-place writes; 0 for inference tensors, which do not count them."""
    return 0 if tensor.is_inference() else tensor._version


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
