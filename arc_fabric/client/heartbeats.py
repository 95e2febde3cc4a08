"""Signs of life for sessions with a lease: as long as this process lives, they stay open."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from arc_fabric.errors import ArcFabricError, SessionClosed, SessionNotFound

log = logging.getLogger(__name__)
PER_LEASE = 3
"""Heartbeats within a lease: one or two may be lost."""


class Heartbeats:
    """A daemon thread that begins with the first lease. Thread-safe."""

    def __init__(self, beat: Callable[[str], object]) -> None:
        """`beat(session_id)` tells the server; it may raise any of our errors."""
        self._beat = beat
        self._leases: dict[str, float] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def keep(self, session_id: str, lease_s: float) -> None:
        """Keep a session open from now on."""
        with self._lock:
            self._leases[session_id] = lease_s
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)
                self._thread.start()
        self._changed.set()

    def drop(self, session_id: str) -> None:
        """Let a session's lease run out, or it was closed."""
        with self._lock:
            self._leases.pop(session_id, None)

    def close(self) -> None:
        """Send no more heartbeats."""
        self._closed = True
        self._changed.set()

    def _run(self) -> None:
        while not self._closed:
            with self._lock:
                leases = dict(self._leases)
            for session_id in leases:
                self._send(session_id)
            self._changed.wait(min(leases.values(), default=60.0) / PER_LEASE)
            self._changed.clear()

    def _send(self, session_id: str) -> None:
        try:
            self._beat(session_id)
        except (SessionClosed, SessionNotFound) as gone:
            log.warning("no more heartbeats for %s: %s", session_id, gone)
            self.drop(session_id)
        except ArcFabricError as error:  # the server is away or busy: the next one may reach it
            log.warning("no heartbeat for %s: %s", session_id, error)
