"""Workers and queues as an operator sees them."""

from __future__ import annotations

from arc_fabric.ledger.core import Core, Page, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import WorkerRecord

_LOADING_SEEN_S = 15.0
"""A worker that loads its model has no lease yet; its heartbeat says that it lives."""
SHARED_QUEUES = ("interactive", "bulk", "media")


class Workers:
    """Worker processes and their load."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self) -> list[WorkerRecord]:
        """Every worker ever seen, by name; one without a live lease is down (or still starting)."""
        return self._records(sorted(texts(self._core.redis.smembers(keys.WORKERS))))

    def page(self, cursor: str | None = None, limit: int = 50) -> Page[WorkerRecord]:
        """Workers by pages; `cursor` is the name after which this one begins."""
        names = Page.of_names(texts(self._core.redis.smembers(keys.WORKERS)), cursor, limit)
        return Page(self._records(names.items), names.next)

    def _records(self, names: list[str]) -> list[WorkerRecord]:
        pipe = self._core.redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(keys.worker(name))
            pipe.get(keys.lease(name))
            pipe.smembers(keys.owned(name))
        answers, queued = pipe.execute(), self._lengths(names)
        found = []
        for name, stored, lease, owned in zip(names, answers[::3], answers[1::3], answers[2::3], strict=True):
            record = WorkerRecord.from_fields({"name": name} | codec.decode(stored))
            loads = record.state == "starting" and self._core.now() - record.last_seen < _LOADING_SEEN_S
            if lease != record.boot_id and not loads:
                record.state = "down"
            record.sessions = sorted(owned)
            record.queued = queued[name]
            found.append(record)
        return found

    def find(self, name: str) -> WorkerRecord | None:
        """One worker's record, or None."""
        return next((w for w in self.all() if w.name == name), None)

    def sessions_of(self, name: str) -> set[str]:
        """The open sessions that this worker owns."""
        return set(texts(self._core.redis.smembers(keys.owned(name))))

    def pins_of(self, name: str) -> set[str]:
        """The pinned nodes whose pieces this worker shall keep at hand."""
        answer = self._core.scripts.run("workers/pins")
        return {node_id for node_id, keeper in zip(answer[::2], answer[1::2], strict=True) if keeper == name}

    def is_alive(self, name: str | None, boot_id: str | None) -> bool:
        """Whether this very process of a worker holds its lease."""
        return name is not None and boot_id is not None and self._core.redis.get(keys.lease(name)) == boot_id

    def queues(self) -> dict[str, int]:
        """Tickets waiting per Celery queue (a worker's own queue has the worker's name)."""
        return self._lengths([*sorted(texts(self._core.redis.smembers(keys.WORKERS))), *SHARED_QUEUES])

    def _lengths(self, queues: list[str]) -> dict[str, int]:
        pipe = self._core.redis.pipeline(transaction=False)
        for queue in queues:
            for key in keys.queue_keys(queue):
                pipe.llen(key)
        found = iter(pipe.execute())
        return {queue: sum(next(found) for _ in keys.queue_keys(queue)) for queue in queues}
