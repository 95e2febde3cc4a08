"""Objects in a dictionary: for tests, and for an SDK without a server."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence

from arc_fabric.store.backends.base import Backend, Buffer, ObjectInfo, as_parts, short_object


class MemoryBackend(Backend):
    """Keeps objects until the process ends."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float, int]] = {}
        self._puts = itertools.count()
        self._lock = threading.Lock()

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        data = b"".join(as_parts(parts))
        with self._lock:
            self._objects[key] = data, time.time(), next(self._puts)

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        data = self._find(key)[0]
        for buffer in buffers:
            part = data[offset : offset + len(buffer)]
            if len(part) < len(buffer):
                raise short_object(key, len(buffer) - len(part))
            buffer[:] = part
            offset += len(part)

    def rest(self, key: str, offset: int) -> bytes:
        return self._find(key)[0][offset:]

    def stat(self, key: str) -> ObjectInfo:
        data, modified, version = self._find(key)
        return ObjectInfo(key, len(data), modified, str(version))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._lock:
            found = sorted((k, len(v[0]), v[1], str(v[2])) for k, v in self._objects.items() if k.startswith(prefix))
        return (ObjectInfo(*item) for item in found)

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def _find(self, key: str) -> tuple[bytes, float, int]:
        with self._lock:
            return self._objects[key]
