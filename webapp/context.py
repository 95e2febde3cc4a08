"""What the routes work with, made once per process and reached through `ctx()`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from flask import Request, current_app, request

from arc_fabric.ledger import Ledger, Limits
from arc_fabric.queue.dispatch import Dispatcher
from arc_fabric.resting import attach
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend, backend_from_settings
from arc_fabric.store.read.reader import SnapshotReader
from webapp.content.pictures import Pictures
from webapp.http.limits import LongPolls, RateLimiter
from webapp.stream.hub import Hub

EXTENSION = "arc_fabric"


@dataclass
class Context:
    """The web's hands: ledger, tickets, object store, pictures, hub and limits."""

    settings: Settings
    ledger: Ledger
    dispatcher: Dispatcher
    backend: Backend
    rates: RateLimiter = field(default_factory=RateLimiter)
    polls: LongPolls = field(default_factory=LongPolls)

    @classmethod
    def from_settings(cls, settings: Settings) -> Context:
        """Connections are made on first use, so this works before the servers are up."""
        ledger = Ledger(settings.redis_url, limits=Limits.from_settings(settings))
        backend = backend_from_settings(settings)
        return cls(settings, attach(ledger, backend), Dispatcher(ledger), backend)

    @cached_property
    def hub(self) -> Hub:
        """The process's one follower of events and frames."""
        return Hub(self.ledger)

    @cached_property
    def reader(self) -> SnapshotReader:
        """Reads what is durable."""
        return SnapshotReader(self.backend)

    @cached_property
    def pictures(self) -> Pictures:
        """Frames and latents by checkpoint, cached."""
        return Pictures(self.ledger, self.reader, self.hub)


def ctx() -> Context:
    """The context of the running app."""
    context: Context = current_app.extensions[EXTENSION]
    return context


def client_name(given: Request | None = None) -> str:
    """Whom the rate limit counts: the peer's address."""
    return (given or request).remote_addr or "unknown"
