"""The whole system as `arc-fabric up` runs it: start in order, watch, stop in order.

>>> stack = Stack(load_settings(data_dir="/tmp/try"))                                   # doctest: +SKIP
>>> stack.start(); stack.url                                                            # doctest: +SKIP
'http://127.0.0.1:8321'
>>> stack.stop()                                                                        # doctest: +SKIP
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

from arc_fabric.base.threads import Rounds
from arc_fabric.services import lock, parts
from arc_fabric.services.rotation import rotate
from arc_fabric.services.service import Service
from arc_fabric.settings import Settings

log = logging.getLogger(__name__)
_LOOK_S = 0.5


class StartInterrupted(Exception):
    """The operator asked to stop before everything was up."""


class Stack:
    """Servers, workers, web and Flower on one data directory. `report` hears of every change of a service."""

    def __init__(
        self,
        settings: Settings,
        *,
        report: Callable[[Service], None] = lambda service: None,
        stopping: threading.Event | None = None,
    ) -> None:
        self.settings = settings
        self.services: list[Service] = []
        self._report = report
        self._stopping = stopping or threading.Event()
        self._lock = lock.DataDirLock(settings.data_dir)

    @property
    def url(self) -> str:
        """Where the web app answers."""
        return next(service.url for service in self.services if service.kind == "web")

    def start(self) -> None:
        """Start everything and wait until it is healthy. On any failure what was started is stopped again."""
        self._lock.acquire()
        try:
            redis, self.settings = parts.redis_service(self.settings, self._lock.descriptor)
            s3, self.settings = parts.s3_service(self.settings, self._lock.descriptor)
            self._start([redis, s3])
            parts.refuse_taken_names(self.settings)
            self._start(self._rest())
            if self.settings.openpi_port:
                self._start([parts.openpi_service(self.settings, self.url)])
        except BaseException:
            self.stop()
            raise
        lock.write_running(self.settings.data_dir, self.view())

    def watch(self) -> None:
        """Restart what dies, until `stopping` is set."""
        Rounds("watch", self._look, every_s=_LOOK_S, ending=self._stopping).run()

    def stop(self) -> None:
        """Stop in order: no new work (web), running work (workers), the view on it, then the servers."""
        self._stopping.set()
        lock.forget_running(self.settings.data_dir)
        for kinds in (("web", "openpi"), ("worker",), ("flower",), ("server",)):
            group = [service for service in self.services if service.kind in kinds]
            if group:
                with ThreadPoolExecutor(len(group)) as pool:
                    list(pool.map(self._stop_one, group))
        self._lock.release()

    def view(self) -> dict[str, Any]:
        """JSON-safe facts: URLs, and one entry per service. No secrets."""
        urls = {service.name: service.url for service in self.services}
        return {
            "url": self.url,
            "flower_url": urls.get("flower"),
            "redis_url": urls["redis"],
            "s3_url": urls["s3"],
            "openpi_url": urls.get("openpi"),
            "data_dir": str(self.settings.data_dir),
            "model": self.settings.model,
            "pid": os.getpid(),
            "services": [service.view() for service in self.services],
        }

    def _look(self) -> None:
        for service in self.services:
            try:
                if service.child is not None:
                    rotate(service.child.log, self.settings.log_bytes)
                if not self._stopping.is_set() and service.tend():
                    self._report(service)
                    lock.write_running(self.settings.data_dir, self.view())
            except Exception:  # what goes wrong with one of them does not leave the others alone
                log.exception("watching %s", service.name)

    def _rest(self) -> list[Service]:
        rest = [*parts.worker_services(self.settings), parts.web_service(self.settings)]
        return [*rest, parts.flower_service(self.settings)] if self.settings.flower else rest

    def _start(self, group: Sequence[Service]) -> None:
        """Start services together; the first failure counts."""
        self.services.extend(group)
        with ThreadPoolExecutor(len(group)) as pool:
            futures = [pool.submit(self._start_one, service) for service in group]
            try:
                self._await(futures)
            except BaseException:
                self._stopping.set()
                while wait(futures, timeout=0.1).not_done:
                    for service in group:  # ends the waits of the others; one may only now be starting
                        service.stop()
                raise

    def _await(self, futures: Sequence[Future[None]]) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            if self._stopping.is_set():
                raise StartInterrupted

    def _start_one(self, service: Service) -> None:
        self._report(service)
        service.start()
        self._report(service)

    def _stop_one(self, service: Service) -> None:
        service.stop()
        self._report(service)
