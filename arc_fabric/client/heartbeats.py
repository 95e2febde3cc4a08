"""Signs of life for sessions with a lease: as long as this process lives, they stay open."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from arc_fabric.base.threads import Rounds
from arc_fabric.errors import ArcFabricError, SessionClosed, SessionNotFound

log = logging.getLogger(__name__)
PER_LEASE = 3
"""Heartbeats within a lease: one or two may be lost."""
_LOOK_S = 0.25


@dataclass
class _Lease:
    lease_s: float
    due: float
    """time.monotonic() of the next heartbeat."""


class Heartbeats:
    """A thread that begins with the first lease. Thread-safe."""

    def __init__(self, beat: Callable[[str], object]) -> None:
        """`beat(session_id)` tells the server; it may raise any of our errors."""
        self._beat = beat
        self._leases: dict[str, _Lease] = {}
        self._lock = threading.Lock()
        self._rounds: Rounds | None = None

    def keep(self, session_id: str, lease_s: float) -> None:
        """Keep a session open from now on."""
        with self._lock:
            self._leases[session_id] = _Lease(lease_s, time.monotonic() + lease_s / PER_LEASE)
            if self._rounds is None:
                self._rounds = Rounds("heartbeats", self._round, every_s=_LOOK_S).start()

    def drop(self, session_id: str) -> None:
        """Let a session's lease run out, or it was closed."""
        with self._lock:
            self._leases.pop(session_id, None)

    def close(self) -> None:
        """Send no more heartbeats."""
        if self._rounds is not None:
            self._rounds.end(0)

    def _round(self) -> None:
        with self._lock:
            due = {i: lease for i, lease in self._leases.items() if lease.due <= time.monotonic()}
        for session_id, lease in due.items():
            lease.due = time.monotonic() + lease.lease_s / PER_LEASE
            self._send(session_id)

    def _send(self, session_id: str) -> None:
        try:
            self._beat(session_id)
        except (SessionClosed, SessionNotFound) as gone:
            log.warning("no more heartbeats for %s: %s", session_id, gone)
            self.drop(session_id)
        except ArcFabricError as error:  # the server is away or busy: the next one may reach it
            log.warning("no heartbeat for %s: %s", session_id, error)
