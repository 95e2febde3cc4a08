"""A backend that fails on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from arc_fabric.errors import StoreUnavailable
from arc_fabric.store.backends import Backend, MemoryBackend, ObjectInfo
from arc_fabric.store.backends.base import Buffer


class FaultyBackend(Backend):
    """`down` makes every request fail; `gate`, once cleared, holds puts until it is set."""

    def __init__(self) -> None:
        self.inner = MemoryBackend()
        self.down = False
        self.gate = threading.Event()
        self.gate.set()
        self.reads: list[tuple[str, int, int]] = []
        self.puts: list[str] = []

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        self._check()
        self.gate.wait(30)
        self._check()
        self.puts.append(key)
        self.inner.put(key, parts)

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        self._check()
        self.reads.append((key, offset, sum(len(buffer) for buffer in buffers)))
        self.inner.readinto(key, offset, buffers)

    def rest(self, key: str, offset: int) -> bytes:
        self._check()
        data = self.inner.rest(key, offset)
        self.reads.append((key, offset, len(data)))
        return data

    def stat(self, key: str) -> ObjectInfo:
        self._check()
        return self.inner.stat(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._check()
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self._check()
        self.inner.delete(key)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("The store is down for a test.")
