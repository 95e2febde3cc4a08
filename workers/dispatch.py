"""Sends tickets: one Celery message per job, with the job's id as its task id, so that Flower shows every job.

A ticket only says "there is work for this session"; what may run is decided by the ledger's claim. A ticket that is
sent twice (a repeated command after a lost answer) finds nothing to do; one that is lost is sent again by the reaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arc_fabric.ids import new_id
from arc_fabric.ledger import JobRecord, Ledger

if TYPE_CHECKING:
    from celery import Celery

    from workers.envelope import Envelope

TASK_PREFIX = "arc."
PER_ROUND_TRIP = 250
"""Tickets per round trip, about 250 KB."""


class Dispatcher:
    """Publishes tickets for jobs that the ledger has accepted, in the ledger's Redis. Thread-safe; no torch."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._envelopes: dict[tuple[str, str, int], Envelope] = {}

    @cached_property
    def _app(self) -> Celery:
        from workers.app import app

        return app

    @cached_property
    def _events(self) -> str:
        from workers.envelope import events_channel

        return events_channel(self._app, self._ledger.redis.connection_pool.connection_kwargs.get("db") or 0)

    def _envelope(self, task: str, queue: str, priority: int) -> Envelope:
        made = self._envelopes.get((task, queue, priority))
        if made is None:
            from workers.envelope import Envelope

            made = self._envelopes[task, queue, priority] = Envelope(self._app, task, queue, priority)
        return made

    def send(self, job: JobRecord) -> None:
        """Publish one ticket. If this process dies before it does, the reaper publishes it."""
        self.send_many([job])

    def send_many(self, jobs: Sequence[JobRecord]) -> None:
        """Publish several in few round trips; those of one queue in the order given. Raises redis-py's errors."""
        waiting = [job for job in jobs if not job.finished_for_good]
        for start in range(0, len(waiting), PER_ROUND_TRIP):
            self._push([
                (self._envelope(TASK_PREFIX + job.kind, job.queue, job.priority), job.id, [job.id],
                 {"session": job.session_id})
                for job in waiting[start : start + PER_ROUND_TRIP]
            ])  # fmt: skip

    def heal(self, checkpoint_ids: list[str]) -> None:
        """Ask any worker to make the payloads of committed checkpoints again, after all other work."""
        self._push([(self._envelope("arc.heal", "bulk", 9), new_id("heal"), [checkpoint_ids], {})])

    def _push(self, tickets: Sequence[tuple[Envelope, str, list[Any], dict[str, Any]]]) -> None:
        """Messages first, then one event message about all of them, in one round trip."""
        queued: dict[str, list[str]] = {}
        told = []
        for envelope, task_id, args, kwargs in tickets:
            message, event = envelope.ticket(task_id, args, kwargs)
            queued.setdefault(envelope.key, []).append(message)
            told.append(event)
        pipe = self._ledger.redis.pipeline(transaction=False)
        for key, messages in queued.items():
            pipe.lpush(key, *messages)
        events = tickets[0][0].told(told)
        if events is not None:
            pipe.publish(self._events, events)
        pipe.execute()
