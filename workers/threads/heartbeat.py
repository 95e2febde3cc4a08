"""Renews the lease and the worker's record; parks idle sessions; ends a process that lost its name."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor

from redis.exceptions import RedisError

from arc_fabric.base.present import present
from arc_fabric.base.threads import Rounds, told
from workers.process.process import WorkerProcess, fenced
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
_PARK_LOOK_S = 5.0


class Heartbeat(Rounds):
    """One renewal per third of the lease. `in_task_thread` runs a function between two tasks."""

    def __init__(self, process: WorkerProcess, in_task_thread: Executor) -> None:
        super().__init__("heartbeat", self._round, every_s=process.ledger.limits.lease_ttl_s / 3, outages=OUTAGES)
        self._process = process
        self._in_task_thread = in_task_thread
        self._next_look = time.monotonic() + _PARK_LOOK_S

    def _round(self) -> None:
        self.beat()
        if time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + _PARK_LOOK_S
            if self._process.card is not None and self._process.serving:
                self._process.ledger.model_card.restore(self._process.card)
            self._park()

    def beat(self) -> None:
        """One renewal. An outage of Redis is waited out: the lease is taken back when it answers."""
        process = self._process
        try:
            if not process.serving:
                process.ledger.leases.announce(process.name, process.boot_id, process.record())
                return
            held = process.ledger.leases.renew(process.name, process.boot_id, process.record())
        except (RedisError, OSError) as error:
            log.warning("heartbeat: %s", error)
            return
        if not held:
            fenced(process)

    def _park(self) -> None:
        runtime = self._process.runtime
        if runtime is None or not runtime.resident_ids() or self._process.current_job:
            return
        told(self._in_task_thread, self._drop_unused)

    def _drop_unused(self) -> None:
        """Runs in the task thread: states leave memory when idle, closed, or owned by another worker."""
        process, runtime = self._process, present(self._process.runtime)
        try:
            owned = process.ledger.workers.sessions_of(process.name)
        except (RedisError, OSError):
            return
        for session_id in runtime.resident_ids():
            if session_id not in owned:
                runtime.forget(session_id)
        for session_id in runtime.drop_idle(process.settings.idle_park_s):
            log.info("parked %s", session_id)
