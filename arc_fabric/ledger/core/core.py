"""What the parts of the ledger hold in common: clients, scripts, limits, the clock, and shared reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from redis import Redis

from arc_fabric.ledger.core import codec
from arc_fabric.ledger.core.connection import connect, connect_blocking
from arc_fabric.ledger.core.limits import Limits
from arc_fabric.ledger.core.pages import Page
from arc_fabric.ledger.core.scripts import Scripts

R = TypeVar("R")
SCAN = 200
"""Records per round trip of a listing."""


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
        self.scripts = Scripts(self.redis, clock)

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
        made: Callable[[dict[str, Any]], R],
        listing: str,
        key: Callable[[str], str],
        cursor: str | None,
        limit: int,
        **wanted: Any,
    ) -> Page[R]:
        """Records of a zero-score sorted set of ids, newest first, whose fields are as `wanted` (None: any).

        `key` names a record's hash, `made` builds the record of its fields; the page begins after the id `cursor`.
        """
        found: list[R] = []
        while True:
            ids = self._newest_ids(listing, cursor, SCAN)
            for one, fields in zip(ids, self.hashes(map(key, ids)), strict=True):
                cursor = one
                if not fields or any(value not in (None, fields.get(name)) for name, value in wanted.items()):
                    continue
                found.append(made(fields))
                if len(found) == limit:
                    return Page(found, cursor if self._newest_ids(listing, cursor, 1) else None)
            if len(ids) < SCAN:
                return Page(found)

    def _newest_ids(self, key: str, cursor: str | None, count: int) -> list[str]:
        start = f"({cursor}" if cursor else "+"
        return list(self.redis.zrevrangebylex(key, start, "-", start=0, num=count))
