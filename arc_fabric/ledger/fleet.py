"""Workers, queues and totals as an operator sees them."""

from __future__ import annotations

import time

from arc_fabric.ledger import codec, keys
from arc_fabric.ledger.events import Events
from arc_fabric.ledger.records import Page, WorkerRecord

_LOADING_SEEN_S = 15.0
"""A worker that loads its model has no lease yet; its heartbeat says that it lives."""
SHARED_QUEUES = ("interactive", "bulk", "media")


class Fleet(Events):
    """The part of the ledger about worker processes and load."""

    def workers(self) -> list[WorkerRecord]:
        """Every worker ever seen, by name; one without a live lease is down (or still starting)."""
        return self._workers(sorted(self.redis.smembers(keys.WORKERS)))

    def worker_page(self, cursor: str | None = None, limit: int = 50) -> Page[WorkerRecord]:
        """The same by pages; `cursor` is the name after which this one begins."""
        names = Page.of_names(self.redis.smembers(keys.WORKERS), cursor, limit)
        return Page(self._workers(names.items), names.next)

    def _workers(self, names: list[str]) -> list[WorkerRecord]:
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(keys.worker(name))
            pipe.get(keys.lease(name))
            pipe.smembers(keys.owned(name))
        answers = pipe.execute()
        found = []
        for name, stored, lease, owned in zip(names, answers[::3], answers[1::3], answers[2::3], strict=True):
            record = WorkerRecord.from_fields({"name": name} | codec.decode(stored))
            loads = record.state == "starting" and time.time() - record.last_seen < _LOADING_SEEN_S
            if lease != record.boot_id and not loads:
                record.state = "down"
            record.sessions = sorted(owned)
            record.queued = self._queue_length(name)
            found.append(record)
        return found

    def worker(self, name: str) -> WorkerRecord | None:
        """One worker's record."""
        return next((w for w in self.workers() if w.name == name), None)

    def owned_sessions(self, name: str) -> set[str]:
        """The open sessions that this worker owns."""
        return set(self.redis.smembers(keys.owned(name)))

    def pins_of(self, name: str) -> set[str]:
        """The pinned nodes whose pieces this worker shall keep at hand."""
        answer = self.scripts.run("pins")
        return {node_id for node_id, keeper in zip(answer[::2], answer[1::2], strict=True) if keeper == name}

    def is_alive(self, name: str | None, boot_id: str | None) -> bool:
        """Whether this very process of a worker holds its lease."""
        return name is not None and boot_id is not None and self.redis.get(keys.lease(name)) == boot_id

    def queues(self) -> dict[str, int]:
        """Tickets waiting per Celery queue (a worker's own queue has the worker's name)."""
        names = [*sorted(self.redis.smembers(keys.WORKERS)), *SHARED_QUEUES]
        return {name: self._queue_length(name) for name in names}

    def _queue_length(self, queue: str) -> int:
        pipe = self.redis.pipeline(transaction=False)
        for key in keys.queue_keys(queue):
            pipe.llen(key)
        return sum(pipe.execute())

    def counts(self) -> dict[str, int]:
        """Totals: sessions open and known, jobs unfinished and known, nodes not stored yet, workers alive."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.scard(keys.SESSIONS_OPEN)
        pipe.zcard(keys.SESSIONS)
        pipe.scard(keys.JOBS_ACTIVE)
        pipe.zcard(keys.JOBS)
        pipe.zcard(keys.PENDING)
        opened, known, active, jobs, pending = pipe.execute()
        alive = sum(w.state not in ("down", "starting") for w in self.workers())
        return {
            "sessions_open": opened,
            "sessions": known,
            "jobs_unfinished": active,
            "jobs": jobs,
            "nodes_pending": pending,
            "workers_alive": alive,
        }
