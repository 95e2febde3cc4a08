"""What the parts of the ledger hold in common: clients, scripts, limits, the clock, and shared reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from redis import Redis

from arc_fabric import rules
from arc_fabric.errors import ServiceError
from arc_fabric.ledger.core import codec
from arc_fabric.ledger.core.connection import connect, connect_blocking, texts
from arc_fabric.ledger.core.scripts import Scripts

T = TypeVar("T")
SCAN = 200
"""Records per round trip of a listing."""


@dataclass(frozen=True)
class Limits:
    """What the submit scripts enforce; filled from the settings of the same names."""

    max_open_sessions: int = 5
    max_jobs_per_session: int = 1000
    max_jobs_total: int = 10_000
    max_steps_per_job: int = 1000
    max_pinned: int = 50
    affinity_queue_bound: int = 4
    lease_ttl_s: float = 3.0
    quotas: Sequence[str] = ()

    @classmethod
    def from_settings(cls, settings: Any) -> Limits:
        """Take the fields of the same names from `arc_fabric.settings.Settings`."""
        return cls(**{f.name: getattr(settings, f.name) for f in fields(cls)})

    @cached_property
    def quotas_json(self) -> str:
        """The quotas as scripts take them: JSON, empty where there are none."""
        known = {name: asdict(quota) for name, quota in rules.quotas(self.quotas).items()}
        return codec.dumps(known) if known else ""


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a listing; `next` is the cursor of the following one, or None at the end."""

    items: list[T]
    next: str | None = None

    @staticmethod
    def of_names(names: Iterable[str], cursor: str | None, limit: int) -> Page[str]:
        """The page of a list in the order of names that begins after the name `cursor`."""
        left = sorted(name for name in names if cursor is None or name > cursor)
        shown = left[:limit]
        return Page(shown, shown[-1] if len(left) > limit else None)


class Bed(Protocol):
    """Where trees rest (see arc_fabric/resting)."""

    def wake(self, tree_id: str) -> None:
        """Bring a tree back; returns when its records are here. Raises StoreError, ServiceError."""

    def facts(self, tree_id: str, token: str) -> dict[str, Any]:
        """What upkeep must know of a tree that rests: {inputs, kept, heads, tags}."""

    def sessions(self, tree_id: str, token: str) -> dict[str, dict[str, Any]]:
        """Fields of the sessions of a tree that rests, by id."""


class Core:
    """One ledger's clients, scripts and limits. Thread-safe.

    `clock` is for tests: seconds since 1970 in place of Redis's own time, in scripts and here. How long a key lives
    stays Redis's affair.
    """

    def __init__(self, redis_url: str, limits: Limits, clock: Callable[[], float] | None = None) -> None:
        self.redis_url = redis_url
        self.limits = limits
        self.now: Callable[[], float] = clock or time.time
        self.redis: Redis = connect(redis_url)
        self.blocking: Redis = connect_blocking(redis_url)
        """For XREAD BLOCK: each waiting thread holds one connection of its pool."""
        self.bed: Bed | None = None
        """Where trees rest; who works with them sets it (arc_fabric.resting.attach)."""
        self.scripts = Scripts(self.redis, clock, self.wake)

    def wake(self, tree_id: str) -> None:
        """Bring a tree back that rests in object storage."""
        if self.bed is None:
            raise ServiceError(
                f"Tree {tree_id} rests in object storage, and this process does not know where that is.",
                hint="Ask the web app, or a process that has the settings of the object store.",
                tree_id=tree_id,
            )
        self.bed.wake(tree_id)

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()
        self.blocking.close()

    @property
    def lease_ms(self) -> int:
        """How long a lease lives that is not renewed."""
        return int(self.limits.lease_ttl_s * 1000)

    def hashes(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Decoded hashes of several keys in one round trip; an absent one is empty."""
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        return [codec.decode(stored) for stored in pipe.execute()]

    def page(
        self,
        made: Callable[[dict[str, Any]], T],
        listing: str,
        key: Callable[[str], str],
        cursor: str | None,
        limit: int,
        **wanted: Any,
    ) -> Page[T]:
        """Records of a zero-score sorted set of ids, newest first, whose fields are as `wanted` (None: any), or lists
        that have it.

        `key` names a record's hash, `made` builds the record of its fields; the page begins after the id `cursor`.
        """
        found: list[T] = []
        while True:
            ids = self._newest_ids(listing, cursor, SCAN)
            for one, stored in zip(ids, self.hashes(map(key, ids)), strict=True):
                cursor = one
                if not stored or not all(_is(stored.get(name), value) for name, value in wanted.items()):
                    continue
                found.append(made(stored))
                if len(found) == limit:
                    return Page(found, cursor if self._newest_ids(listing, cursor, 1) else None)
            if len(ids) < SCAN:
                return Page(found)

    def _newest_ids(self, key: str, cursor: str | None, count: int) -> list[str]:
        start = f"({cursor}" if cursor else "+"
        return texts(self.redis.zrevrangebylex(key, start, "-", start=0, num=count))


def _is(stored: Any, wanted: Any) -> bool:
    return wanted is None or stored == wanted or (isinstance(stored, list) and wanted in stored)
