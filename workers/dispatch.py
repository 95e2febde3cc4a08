"""Sends tickets: one Celery message per job, with the job's id as its task id, so that Flower shows every job.

A ticket only says "there is work for this session"; what may run is decided by the ledger's claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from kombu import Connection, Producer
from kombu.exceptions import BatchPublishError
from kombu.pools import producers

from arc_fabric.ledger import JobRecord, Ledger

if TYPE_CHECKING:
    from celery import Celery

TASK_PREFIX = "arc."
PER_BATCH = 200
"""Redis commands per round trip; a ticket is two (the message, and the event that Flower shows it by)."""
RETRY = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}


class Dispatcher:
    """Publishes tickets for jobs that the ledger has accepted, in the ledger's Redis. Thread-safe; no torch."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @cached_property
    def _app(self) -> Celery:
        from workers.app import app

        return app

    @cached_property
    def _connection(self) -> Connection:
        # kombu sends in batches only where redis-py does not repeat a batch by itself.
        return self._app.connection_for_write(self._ledger.redis_url, transport_options={"retry_on_timeout": False})

    @contextmanager
    def _producer(self) -> Iterator[Producer]:
        with producers[self._connection].acquire(block=True, timeout=10) as producer:
            yield producer

    def send(self, job: JobRecord) -> None:
        """Publish one ticket. If this process dies before it does, the reaper publishes it."""
        self.send_many([job])

    def send_many(self, jobs: list[JobRecord]) -> None:
        """Publish several over one connection, in few round trips."""
        waiting = [job for job in jobs if not job.finished_for_good]
        if not waiting:
            return
        with self._producer() as producer:
            if len(waiting) > 1 and self._in_batches(waiting, producer):
                return
            # A single ticket goes out before its event is made. A second ticket of a job finds nothing to do.
            self._publish(waiting, producer, retry=True, retry_policy=RETRY)

    def _in_batches(self, jobs: list[JobRecord], producer: Producer) -> bool:
        """False when it failed: some may have been sent."""
        try:
            with producer.batch(max_size=PER_BATCH):
                self._publish(jobs, producer)
        except BatchPublishError:
            return False
        return True

    def _publish(self, jobs: list[JobRecord], producer: Producer, **how: object) -> None:
        for job in jobs:
            self._app.send_task(
                TASK_PREFIX + job.kind,
                args=[job.id],
                kwargs={"session": job.session_id},
                task_id=job.id,
                queue=job.queue,
                priority=job.priority,
                producer=producer,
                **how,
            )

    def heal(self, checkpoint_ids: list[str]) -> None:
        """Ask any worker to make the payloads of committed checkpoints again, after all other work."""
        with self._producer() as producer:
            self._app.send_task("arc.heal", args=[checkpoint_ids], queue="bulk", priority=9, producer=producer)
