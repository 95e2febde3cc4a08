"""What one worker process is: its name, its boot, its clients, and what it is doing right now.

One `WorkerProcess` exists per process (`current()`); the task thread, the heartbeat, the reaper and the watchdog
share it. Fields that describe the present work are written by the task thread and only read by the others.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from arc_fabric.base.threads import SUPERVISOR
from arc_fabric.errors import ServiceError
from arc_fabric.ledger import Ledger, Limits
from arc_fabric.queue.dispatch import Dispatcher
from arc_fabric.resting import attach
from arc_fabric.settings import Settings, get_settings
from arc_fabric.store.backends import backend_from_settings
from workers.process.gil_turns import GilTurns
from workers.process.meters import machine

if TYPE_CHECKING:
    from workers.process.durability import DurabilityReporter
    from workers.process.runtime import Runtime

log = logging.getLogger(__name__)
MEDIA = "media"
DEVICE_VARIABLE = "ARC_WORKER_DEVICE"
"""Set by `arc-fabric worker --device`; the plain celery command line may set it too."""
EXIT_FENCED = 3


@dataclass
class WorkerProcess:
    """State of this process."""

    name: str
    device: str
    settings: Settings
    ledger: Ledger
    boot_id: str = field(default_factory=lambda: secrets.token_hex(8))
    started: float = field(default_factory=time.time)
    stopping: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)
    """The orderly end has begun: the running step is finished, everything is stored and handed over."""
    ended: threading.Event = field(default_factory=threading.Event)
    """The orderly end is over: only the process itself is left to end."""
    serving: bool = False
    draining: bool = False
    runtime: Runtime | None = None
    card: dict[str, Any] | None = None
    """What the model is, for the ledger."""
    current_job: str | None = None
    current_session: str | None = None
    step_began: float | None = None
    """time.monotonic() at the start of the model step that runs now."""
    mates: tuple[str, ...] = ()
    """The jobs that step together with `current_job`."""
    batch_rows: int = 1
    """Jobs that it steps together at most."""
    steps_done: int = 0
    side: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "side"))
    """Encodes, shows and commits one step while the task thread computes the next."""
    gil_turns: GilTurns = field(default_factory=GilTurns)
    reporter: DurabilityReporter = field(init=False)
    on_drain: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(self.ledger)
        self._itself = psutil.Process()

    @property
    def role(self) -> str:
        """gpu (has a model, owns sessions) or media."""
        return MEDIA if self.name.startswith(MEDIA) else "gpu"

    @property
    def state(self) -> str:
        """What the workers' list shows."""
        if not self.serving:
            return "starting"
        if self.draining or self.stopping.is_set():
            return "draining"
        return "busy" if self.current_job else "idle"

    def drain(self, why: str) -> None:
        """Take no more work and end; the supervisor starts the process again."""
        if self.draining:
            return
        log.error("draining, to be started again: %s", why)
        self.draining = True
        self.stopping.set()
        self.on_drain()

    def record(self) -> dict[str, Any]:
        """The fields of the worker record that the heartbeat writes."""
        fields: dict[str, Any] = {
            "name": self.name,
            "role": self.role,
            "state": self.state,
            "device": self.device,
            "boot_id": self.boot_id,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": self.started,
            "current_job": self.current_job,
            "current_session": self.current_session,
            "steps_done": self.steps_done,
            "batch_rows": self.batch_rows,
            "model": None,
            "resident": [],
            "pinned": [],
            "memory": {"rss_bytes": self._itself.memory_info().rss},
            "gpu": None,
            "machine": machine(),
            "sick": SUPERVISOR.sick(),
        }
        if self.runtime is not None:
            fields["model"] = self.settings.model
            fields["resident"] = self.runtime.resident_ids()
            fields["pinned"] = sorted(self.runtime.store.pinned())
            fields["memory"] |= self.runtime.memory()
            fields["gpu"] = self.runtime.gpu.read()
        return fields


_current: WorkerProcess | None = None
on_ready: Callable[[dict[str, Any]], None] | None = None
"""Who wants to know that this process takes work; set before it starts."""


def start(name: str, device: str) -> WorkerProcess:
    """Make this process's WorkerProcess."""
    global _current
    settings = get_settings()
    ledger = Ledger(settings.redis_url, limits=Limits.from_settings(settings))
    attach(ledger, backend_from_settings(settings))
    _current = WorkerProcess(name, device, settings, ledger)
    return _current


def is_started() -> bool:
    """Whether this process has become a worker."""
    return _current is not None


def current() -> WorkerProcess:
    """The WorkerProcess of this process; ServiceError outside a started worker."""
    if _current is None:
        raise ServiceError("This process is no Arc Fabric worker.", hint="Start one with 'arc-fabric worker'.")
    return _current


def fenced(process: WorkerProcess) -> None:
    """A newer process of this name holds the lease: whatever we do from here on would be refused."""
    log.error("%s: another process of this name took over; this one ends", process.name)
    time.sleep(0.1)  # lets the log line out
    os._exit(EXIT_FENCED)
