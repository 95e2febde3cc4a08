"""Workers and queues as an operator sees them, and what the model is that they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arc_fabric.ledger.core import Core, Page, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import WorkerRecord

_LOADING_SEEN_S = 15.0
"""A worker that loads its model has no lease yet; its heartbeat says that it lives."""
_PER_SLICE = 50
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
        found = [WorkerRecord.decoded(text) for text in self._sliced("workers/list", names)]
        for record in found:
            loads = record.state == "starting" and self._core.now() - record.last_seen < _LOADING_SEEN_S
            if record.internal["_lease"] != record.boot_id and not loads:
                record.state = "down"
        return found

    def _sliced(self, script: str, names: list[str]) -> list[Any]:
        """Answers of a script about many names, in one round trip; Redis serves others between the slices."""
        slices = [(script, names[start : start + _PER_SLICE]) for start in range(0, len(names), _PER_SLICE)]
        return [one for answer in self._core.scripts.run_many(slices) for one in answer]

    def find(self, name: str) -> WorkerRecord | None:
        """One worker's record, or None."""
        return next(iter(self._records([name] if self._core.redis.sismember(keys.WORKERS, name) else [])), None)

    def serve(self) -> bool:
        """Whether any worker, with its model, takes sessions."""
        return bool(self._core.scripts.run("workers/serving"))

    def sick(self) -> list[WorkerRecord]:
        """The living workers of which a background thread fails now."""
        return [w for w in self._records(sorted(texts(self._core.redis.smembers(keys.SICK)))) if w.state != "down"]

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
        names = [*sorted(texts(self._core.redis.smembers(keys.WORKERS))), *SHARED_QUEUES]
        return dict(zip(names, map(int, self._sliced("workers/queues", names)), strict=True))


class ModelCard:
    """Name, geometry, abilities and identity of the model that the workers run."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def read(self) -> dict[str, object]:
        """The card; empty before a worker is up."""
        card = codec.decode(self._core.redis.hgetall(keys.MODEL))
        if card:
            sizes = card["geometry"]
            sizes["frames_per_step"] = sizes["frames_per_latent"] * sizes["latents_per_block"]
        return card

    def restore(self, card: Mapping[str, object]) -> None:
        """Write it again where Redis has lost it."""
        if not self._core.redis.exists(keys.MODEL):
            self.write(card)

    def write(self, card: Mapping[str, object]) -> None:
        """Called by a worker once its model is loaded."""
        fields: Mapping[Any, str] = codec.encode(card)
        self._core.redis.hset(keys.MODEL, mapping=fields)
