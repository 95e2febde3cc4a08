"""Sends tickets: one Celery message per job, with the job's id as its task id, so that Flower shows every job.

A ticket only says "there is work for this session"; what may run is decided by the ledger's claim. A new job's ticket
goes out in the script that accepts the job: both or neither. Later ones (the job moved, or follows another) are sent
by themselves. A ticket that is sent twice finds nothing to do; one that is lost is sent again by the reaper.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from arc_fabric.errors import ArcFabricError
from arc_fabric.ids import new_id
from arc_fabric.ledger import Accepted, JobRecord, JobRequest, Ledger

if TYPE_CHECKING:
    from celery import Celery

    from arc_fabric.queue.envelope import Envelope

log = logging.getLogger(__name__)
TASK_PREFIX = "arc."
PER_ROUND_TRIP = 250
"""Tickets per round trip, about 250 KB."""
_Ticket = tuple["Envelope", str, list[Any], dict[str, Any]]


class Dispatcher:
    """Publishes tickets for jobs of the ledger, in the ledger's Redis. Thread-safe; no torch."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._envelopes: dict[tuple[str, str | None, int], Envelope] = {}

    @cached_property
    def _app(self) -> Celery:
        from arc_fabric.queue.app import app

        return app

    @cached_property
    def _events(self) -> str:
        from arc_fabric.queue.envelope import events_channel

        return events_channel(self._app, self._ledger.redis.connection_pool.connection_kwargs.get("db") or 0)

    def _envelope(self, task: str, queue: str | None, priority: int = 0) -> Envelope:
        made = self._envelopes.get((task, queue, priority))
        if made is None:
            from arc_fabric.queue.envelope import Envelope

            made = self._envelopes[task, queue, priority] = Envelope(self._app, task, queue, priority)
        return made

    def accept(self, request: JobRequest) -> Accepted:
        """Have one job accepted and sent. Raises the error with which it is refused."""
        accepted = self._ledger.jobs.accept(self._with_ticket(request))
        self._tell([accepted])
        return accepted

    def accept_many(self, requests: Sequence[JobRequest]) -> list[Accepted | ArcFabricError]:
        """Have several accepted and sent in few round trips, as `ledger.jobs.accept_many` does."""
        answers = self._ledger.jobs.accept_many([self._with_ticket(request) for request in requests])
        self._tell([answer for answer in answers if isinstance(answer, Accepted)])
        return answers

    def send(self, job: JobRecord) -> None:
        """Publish one more ticket. If this process dies before it does, the reaper publishes it."""
        self.send_many([job])

    def send_many(self, jobs: Sequence[JobRecord]) -> None:
        """Publish several in few round trips; those of one queue in the order given. Raises redis-py's errors."""
        waiting = [job for job in jobs if not job.ended]
        for start in range(0, len(waiting), PER_ROUND_TRIP):
            self._push([self._ticket_of(job) for job in waiting[start : start + PER_ROUND_TRIP]])

    def remake(self, checkpoint_ids: list[str]) -> None:
        """Ask any worker to make the payloads of committed checkpoints again, after all other work."""
        self._push([(self._envelope("arc.remake", "bulk", 9), new_id("remake"), [checkpoint_ids], {})])

    def _with_ticket(self, request: JobRequest) -> JobRequest:
        job = request.job
        return request.with_ticket(self._envelope(TASK_PREFIX + job.kind, None).ticket(job.id, *_of(job)))

    def _ticket_of(self, job: JobRecord) -> _Ticket:
        return self._envelope(TASK_PREFIX + job.kind, job.queue, job.priority), job.id, *_of(job)

    def _push(self, tickets: Sequence[_Ticket]) -> None:
        """Messages first, then one event message about all of them, in one round trip."""
        queued: dict[str, list[str]] = {}
        for envelope, task_id, args, kwargs in tickets:
            queued.setdefault(envelope.key, []).append(envelope.ticket(task_id, args, kwargs))
        pipe = self._ledger.redis.pipeline(transaction=False)
        for key, messages in queued.items():
            pipe.lpush(key, *messages)
        events = _events(tickets)
        if events is not None:
            pipe.publish(self._events, events)
        pipe.execute()

    def _tell(self, answers: Sequence[Accepted]) -> None:
        """Tell monitors of tickets that the ledger has sent; a worker may be at work on them already."""
        sent = [job for job in (answer.job for answer in answers) if not (job.replayed or job.ended)]
        for start in range(0, len(sent), PER_ROUND_TRIP):
            events = _events([self._ticket_of(job) for job in sent[start : start + PER_ROUND_TRIP]])
            try:
                if events is not None:
                    self._ledger.redis.publish(self._events, events)
            except (RedisError, OSError):
                log.warning("monitors were not told of %d new jobs", len(sent) - start, exc_info=True)
                return


def _of(job: JobRecord) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of a job's task."""
    return [job.id], {"session": job.session_id}


def _events(tickets: Sequence[_Ticket]) -> str | None:
    told = [envelope.event(task_id, args, kwargs) for envelope, task_id, args, kwargs in tickets]
    return tickets[0][0].told(told)
