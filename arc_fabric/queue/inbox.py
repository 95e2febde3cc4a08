"""Messages that scripts send with Celery alone, to queue `arc`: looked at, then taken out once they are settled."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arc_fabric.errors import ArcFabricError
from arc_fabric.ids import new_id
from arc_fabric.ledger import JobRecord, Ledger
from arc_fabric.ledger.core import codec, keys
from arc_fabric.ledger.core.connection import texts

if TYPE_CHECKING:
    from arc_fabric.queue.envelope import Envelope

_KEPT_CHARS = 65_536
LISTS = keys.queue_keys(keys.INTAKE_QUEUE)
"""The lists of the queue, the most urgent first."""


@dataclass(frozen=True)
class Refusal:
    """A task that was refused, as its job record shows it."""

    kind: str
    session_id: str | None
    """None: it is for no session that could exist; its record names one that never came to be, as each has one."""
    kwargs: dict[str, Any]
    task_id: str
    digest: str
    """Of the message's content."""
    error: ArcFabricError


class Inbox:
    """The queue of this ledger's Redis. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def front(self, name: str, most: int) -> list[str]:
        """Messages of one of LISTS, the oldest first; they stay where they are."""
        return texts(self._ledger.redis.lrange(name, -most, -1))[::-1]

    def length(self, name: str) -> int:
        """How many messages one of LISTS has."""
        return int(self._ledger.redis.llen(name))

    def drop(self, name: str, raw: str) -> None:
        """Take a message out: its job is accepted."""
        self._ledger.redis.lrem(name, -1, raw)

    def refuse(self, name: str, raw: str, refusal: Refusal) -> str:
        """Take a message out and write down why, in one script; the id of the job record, also of one that is there
        already because the same message came before."""
        params = refusal.kwargs if len(json.dumps(refusal.kwargs)) <= _KEPT_CHARS else {}
        job = JobRecord(
            id=new_id("job"), kind=refusal.kind, session_id=refusal.session_id or new_id("ses"), params=params,
            error=refusal.error.to_dict(), placement={"worker": None, "reason": "refused"},  # type: ignore[arg-type]
        )  # fmt: skip
        answer = self._ledger.core.scripts.run(
            "jobs/refuse", name, raw, job.id, codec.pack(job.to_dict() | {"_total": 1, "_done": 0}),
            refusal.task_id, refusal.digest,
        )  # fmt: skip
        return str(answer[1])

    def tell(self, name: str, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Tell monitors, as Celery's worker `name` would: each event by its type and fields."""
        from celery.events.event import Event
        from celery.utils.time import utcoffset

        from arc_fabric.queue.app import app
        from arc_fabric.queue.envelope import events_channel

        common = {"hostname": f"{name}@{os.uname().nodename}", "utcoffset": utcoffset(), "pid": os.getpid()}
        told = [Event(kind, clock=app.clock.forward(), **common, **fields) for kind, fields in events]
        message = self._envelope.told(told) if told else None
        if message is not None:
            database = self._ledger.redis.connection_pool.connection_kwargs.get("db") or 0
            self._ledger.redis.publish(events_channel(app, database), message)

    @cached_property
    def _envelope(self) -> Envelope:
        from arc_fabric.queue.app import app
        from arc_fabric.queue.envelope import Envelope

        return Envelope(app, "arc.step", keys.INTAKE_QUEUE)
