"""One line of `arc-fabric up`: a child process (or an external server), where it is, whether it is well."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from arc_fabric.errors import ServiceError
from arc_fabric.services.process import Child

log = logging.getLogger(__name__)
State = Literal["starting", "healthy", "restarting", "stopped"]

_FIRST_DELAY_S, _LONGEST_DELAY_S, _STEADY_S = 0.5, 30.0, 60.0


@dataclass
class Service:
    """What the supervisor knows about one part. `child` is None for a server that others run."""

    name: str
    kind: Literal["server", "worker", "web", "flower", "openpi"]
    probe: Callable[[], bool]
    url: str = ""
    child: Child | None = None
    ready_s: float = 60.0
    detail: str = ""
    state: State = "starting"
    restarts: int = 0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _delay_s: float = field(default=_FIRST_DELAY_S, repr=False)
    _due: float = field(default=0.0, repr=False)
    _since: float = field(default=0.0, repr=False)

    def start(self) -> None:
        """Start it and wait until it is healthy; ServiceError with the end of its log if it is not."""
        if self.child is None:
            self._check_external()
        else:
            self.child.start()
            self._since = self.clock()
            self.child.wait_ready(self.probe, self.ready_s)
        self.state = "healthy"

    def stop(self) -> None:
        """Stop it, if it is ours."""
        if self.child is not None:
            self.child.stop()
        self.state = "stopped"

    def tend(self) -> bool:
        """Restart it if it died, after a delay that doubles; True if there is news."""
        if self.child is None:
            return False
        before = (self.state, self.restarts)
        now = self.clock()
        if self.child.running:
            self._look(now)
        elif self.state != "restarting" or self._started_and_died_again():
            self._plan_restart(now)
        elif now >= self._due:
            self._start_again(now, self.child)
        return (self.state, self.restarts) != before

    def view(self) -> dict[str, Any]:
        """JSON-safe facts."""
        child = self.child
        return {
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "url": self.url,
            "detail": self.detail,
            "pid": child.pid if child and child.running else None,
            "log": str(child.log) if child else None,
            "restarts": self.restarts,
        }

    def _look(self, now: float) -> None:
        if self.state == "restarting" and self.probe():
            self.state = "healthy"
        if self.state == "healthy" and now - self._since > _STEADY_S:
            self._delay_s = _FIRST_DELAY_S

    def _start_again(self, now: float, child: Child) -> None:
        self._since = now
        try:
            child.start()
        except OSError as error:  # no room for a log line, or for a process: later there may be
            log.warning("%s cannot be started: %s", self.name, error)
            self._plan_restart(now)

    def _started_and_died_again(self) -> bool:
        return self._since >= self._due

    def _plan_restart(self, now: float) -> None:
        self.state = "restarting"
        self.restarts += 1
        self._due = now + self._delay_s
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)

    def _check_external(self) -> None:
        if not self.probe():
            raise ServiceError(
                f"{self.name} at {self.url} does not answer.",
                hint="Check its address and credentials in the settings.",
            )
