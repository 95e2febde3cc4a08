"""Pieces in host memory."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

import torch


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

    def has(self, digest: str) -> bool:
        """Whether the piece is here, without counting it as used."""
        with self._lock:
            return digest in self._buffers

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
                if self._pins[digest] == 0:
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
