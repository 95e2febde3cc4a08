"""One pass of collector or check over a folder, in a process that does nothing else (and does not import torch)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from arc_fabric.store.backends import DiskBackend
from arc_fabric.store.format.manifest import MANIFEST
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.collector import Collector

_HOUR = 3600.0


class _Counting(DiskBackend):
    """Counts the bytes that are read."""

    read = manifests = 0

    def rest(self, key: str, offset: int) -> bytes:
        data = super().rest(key, offset)
        self._count(key, len(data))
        return data

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        super().readinto(key, offset, buffers)
        self._count(key, sum(map(len, buffers)))

    def _count(self, key: str, size: int) -> None:
        _Counting.read += size
        _Counting.manifests += size if key.endswith(MANIFEST) else 0


def _main(folder: str, what: str) -> None:
    imports = _peak()
    began = time.perf_counter()
    backend = _Counting(folder, sync=False)
    {"collect": _collect, "check": _check}[what](backend)
    figures = {"read": _Counting.read, "manifests": _Counting.manifests, "peak": _peak(), "imports": imports}
    print(json.dumps(figures | {"seconds": time.perf_counter() - began}))


def _collect(backend: DiskBackend) -> None:
    report = Collector(backend, grace_s=_HOUR).run()
    assert not report.unreadable and not report.candidates


def _check(backend: DiskBackend) -> None:
    report = Checker(backend).run()
    assert report.ok and report.pieces, report.problems[:3]


def _peak() -> int:
    """Most resident bytes of this program; `ru_maxrss` would count those of the process that started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
