"""Pieces in host memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable

import torch

from arc_fabric.base.lru import Lru


class HostTier:
    """Pieces in host memory by digest, each its own uint8 buffer; the least recently used unpinned one goes first.

    Thread-safe. Pinned pieces (not stored yet, or pinned by a user) do not count against `budget`.
    """

    def __init__(self, budget: int, on_evict: Callable[[str, torch.Tensor], None] | None = None) -> None:
        self.budget = budget
        self.counters: Counter[str] = Counter()
        self._buffers: Lru[str, torch.Tensor] = Lru(budget, torch.numel)
        self._pins: Counter[str] = Counter()
        self._pinned_bytes = 0
        self._on_evict = on_evict
        self._lock = threading.Lock()

    def put(self, digest: str, buffer: torch.Tensor) -> None:
        """Keep a piece; it may be evicted at once if the budget is small."""
        with self._lock:
            if digest not in self._buffers:
                self._buffers.put(digest, buffer)
                self._pinned_bytes += buffer.numel() if self._pins[digest] else 0
        self._shrink()

    def get(self, digest: str) -> torch.Tensor | None:
        """The piece's buffer, or None; the caller must not write into it."""
        with self._lock:
            found = self._buffers.get(digest)
            self.counters["hits" if found is not None else "misses"] += 1
            if found is not None:
                self.counters["hit_bytes"] += found.numel()
            return found

    def has(self, digest: str) -> bool:
        """Whether the piece is here, without counting it as used."""
        with self._lock:
            return digest in self._buffers

    def pin(self, digests: Iterable[str]) -> None:
        """Keep these pieces, present or to come, until as many unpins."""
        with self._lock:
            for digest in digests:
                self._pins[digest] += 1
                if self._pins[digest] == 1:
                    self._pinned_bytes += self._size(digest)

    def unpin(self, digests: Iterable[str]) -> None:
        """Undo one pin of each."""
        with self._lock:
            for digest in digests:
                self._pins[digest] -= 1
                if self._pins[digest] == 0:
                    del self._pins[digest]
                    self._pinned_bytes -= self._size(digest)
        self._shrink()

    def evict(self, digests: Iterable[str]) -> None:
        """Drop these pieces now unless they are pinned."""
        with self._lock:
            found = [(digest, self._buffers.pop(digest)) for digest in digests if digest not in self._pins]
            gone = [(digest, buffer) for digest, buffer in found if buffer is not None]
            self.counters["evictions"] += len(gone)
        self._tell(gone)

    def usage(self) -> dict[str, int]:
        """bytes, pinned_bytes, pieces, budget and the counters."""
        with self._lock:
            sizes = {"bytes": self._buffers.used, "pinned_bytes": self._pinned_bytes, "pieces": len(self._buffers)}
            return sizes | {"budget": self.budget} | dict(self.counters)

    def _size(self, digest: str) -> int:
        buffer = self._buffers.peek(digest)
        return 0 if buffer is None else buffer.numel()

    def _shrink(self) -> None:
        with self._lock:
            gone = self._buffers.shrink(keep=self._pins.__contains__, beside=-self._pinned_bytes)
            self.counters["evictions"] += len(gone)
        self._tell(gone)

    def _tell(self, gone: list[tuple[str, torch.Tensor]]) -> None:
        if self._on_evict:
            for digest, buffer in gone:
                self._on_evict(digest, buffer)
