"""Pieces on local disk."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from arc_fabric.base.lru import Lru
from arc_fabric.base.threads import told
from arc_fabric.errors import StoreUnavailable
from arc_fabric.store.backends import DiskBackend
from arc_fabric.store.format.pieces import byte_view

log = logging.getLogger(__name__)
_SPILL_BYTES = 512 << 20
"""Most bytes that wait for the disk."""


class DiskTier:
    """Pieces that host memory evicted, as files by digest; the least recently used goes first. Thread-safe."""

    def __init__(self, path: Path, budget: int) -> None:
        self.budget = budget
        self.counters: Counter[str] = Counter()
        self._files = DiskBackend(path, sync=False)
        self._spilling = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="arc-store-spill")
        self._lock = threading.Lock()
        known = sorted(self._files.list(""), key=lambda info: info.modified)
        self._sizes: Lru[str, int] = Lru(budget, int)
        for info in known:
            self._sizes.put(info.key.rpartition("/")[2], info.size)

    def put(self, digest: str, buffer: torch.Tensor) -> None:
        """Write a piece, making room first."""
        if buffer.numel() > self.budget:
            return
        with self._lock:
            if digest in self._sizes:
                return
            for oldest, _ in self._sizes.shrink(beside=buffer.numel()):
                self._remove(oldest)
        self._files.put(_place(digest), byte_view(buffer))
        with self._lock:
            self._sizes.put(digest, buffer.numel())

    def readinto(self, digest: str, buffers: Sequence[memoryview]) -> bool:
        """Fill the buffers if the piece is here. The caller checks the digest, and calls `discard` on a mismatch."""
        with self._lock:
            present = self._sizes.get(digest) is not None
            self.counters["hits" if present else "misses"] += 1
            if not present:
                return False
        try:
            self._files.readinto(_place(digest), 0, buffers)
        except (KeyError, ValueError, OSError):
            self.discard(digest)
            return False
        self.counters["hit_bytes"] += sum(len(buffer) for buffer in buffers)
        return True

    def discard(self, digest: str) -> None:
        """Remove a piece."""
        with self._lock:
            if self._sizes.pop(digest) is not None:
                self._remove(digest)

    def spill(self, digest: str, buffer: torch.Tensor) -> None:
        """Write a piece in the background; it is let go instead when the disk does not keep up."""
        with self._lock:
            if self._spilling + buffer.numel() > _SPILL_BYTES:
                self.counters["let_go"] += 1
                return
            self._spilling += buffer.numel()
        try:
            told(self._thread, self._spill, digest, buffer)
        except RuntimeError:
            return  # closing

    def close(self) -> None:
        """Finish what is being written."""
        self._thread.shutdown(wait=True)

    def usage(self) -> dict[str, int]:
        """bytes, pieces, budget and the counters."""
        with self._lock:
            sizes = {"bytes": self._sizes.used, "pieces": len(self._sizes), "budget": self.budget}
            return sizes | dict(self.counters)

    def _spill(self, digest: str, buffer: torch.Tensor) -> None:
        try:
            self.put(digest, buffer)
        except StoreUnavailable as error:
            log.warning("the disk tier takes no more: %s", error)
        finally:
            with self._lock:
                self._spilling -= buffer.numel()

    def _remove(self, digest: str) -> None:
        self._files.delete(_place(digest))
        self.counters["evictions"] += 1


def _place(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
