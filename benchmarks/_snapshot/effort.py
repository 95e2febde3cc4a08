"""What measuring itself took: seconds, CPU seconds of this process and of the S3 server, and the most memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import psutil

from benchmarks.rows import progress

_EVERY_S = 0.25


class Effort:
    """By part, in the order in which they were measured."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self._began = time.perf_counter()
        self._me = psutil.Process()
        self._server = self._me.children(recursive=True)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Measure the block as this part."""
        peaks = {"peak_rss_gb": 0.0, "server_peak_rss_gb": 0.0}
        ended = Event()
        watcher = Thread(target=self._watch, args=(peaks, ended), daemon=True)
        watcher.start()
        began, ours, theirs = time.perf_counter(), time.process_time(), self._server_cpu()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            ended.set()
            watcher.join()
            spent = {"s": seconds, "cpu_s": time.process_time() - ours, "server_cpu_s": self._server_cpu() - theirs}
            self.parts[part] = {name: round(value, 2) for name, value in (spent | peaks).items()}
            progress(f"  {part} took {self.parts[part]}")

    def total(self) -> tuple[float, dict[str, Any]]:
        """Seconds since the start, and every part."""
        return time.perf_counter() - self._began, dict(self.parts)

    def _server_cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._server)

    def _watch(self, peaks: dict[str, float], ended: Event) -> None:
        while not ended.wait(_EVERY_S):
            server = sum(process.memory_info().rss for process in self._server)
            peaks["peak_rss_gb"] = max(peaks["peak_rss_gb"], self._me.memory_info().rss / 1e9)
            peaks["server_peak_rss_gb"] = max(peaks["server_peak_rss_gb"], server / 1e9)
