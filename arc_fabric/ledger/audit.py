"""What scripts count as they change things, compared with the records: for the data of earlier versions, and in case.

Counters and lists (see lua/lib/placement.lua) change in the same script as the records, so that no crash comes between
them. Where version 0.1 wrote the records there are none yet; and whoever edits Redis by hand forgets some.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from arc_fabric.ledger.core import Core, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.jobs import JOB_LISTS

SLICE = 50
"""Records per script: Redis serves nobody else meanwhile."""


class Audit:
    """Walks everything that is counted, a slice at a time; each slice leaves what it looked at right."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def is_due(self) -> bool:
        """Whether this ledger was never counted as this version does."""
        return bool(self._core.redis.get(keys.COUNTED) != keys.EDITION)

    def whole(self) -> int:
        """Look at everything now; how many things were put right."""
        mended = sum(self.slices())
        self._core.redis.set(keys.COUNTED, keys.EDITION)
        return mended

    def slices(self) -> Iterator[int]:
        """Look at one slice after the other; of each, how many things were put right."""
        client = self._core.redis
        for listing in (client.sscan_iter(keys.SESSIONS_OPEN), _members(client.zscan_iter(keys.BUSY))):
            yield from self._looked_at("workers/audit", "", listing)
        for name in sorted(texts(client.smembers(keys.WORKERS))):
            for listing in (client.sscan_iter(keys.owned(name)), _members(client.zscan_iter(keys.work(name)))):
                yield from self._looked_at("workers/audit", name, listing)
            yield self._run("workers/audit", name)
        for sessions in (keys.SESSIONS, keys.SESSIONS_BULK):
            ids = _members(client.zscan_iter(sessions))
            while some := list(islice(ids, SLICE)):
                yield self._run("trees/audit", *some)
        for which in ("", *map(keys.jobs_in, JOB_LISTS)):
            yield from self._looked_at("jobs/audit", which, _members(client.zscan_iter(which or keys.JOBS)))

    def _looked_at(self, script: str, listing: str, ids: Iterator[Any]) -> Iterator[int]:
        while some := list(islice(ids, SLICE)):
            yield self._run(script, listing, *some)

    def _run(self, script: str, *args: str) -> int:
        return int(self._core.scripts.run(script, *args)[0])


def _members(scored: Iterator[Any]) -> Iterator[Any]:
    return (member for member, _ in scored)
