"""Which stored objects this ledger can judge, and which given pictures are still named."""

from __future__ import annotations

import json

from arc_fabric.base import input_keys
from arc_fabric.ids import new_id
from arc_fabric.ledger.core import Core, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.trees.resting import Resting

_CHUNK = 500


class Inputs:
    """What the collector asks."""

    def __init__(self, core: Core, resting: Resting) -> None:
        self._core, self._resting = core, resting

    def knows_since(self, now: float) -> float:
        """Since when this ledger knows of all that is stored, by the storage's clock, which says `now`: the first time
        that it was asked. Redis was emptied, or came up without its data: then that is `now` again, and says nothing
        about what is older. Ask again after a deduction: another answer means that the ledger was lost meanwhile.
        """
        self._core.redis.set(keys.KNOWS_SINCE, now, nx=True)
        return float(self._core.redis.get(keys.KNOWS_SINCE) or now)

    def ledger_id(self) -> str:
        """What tells this ledger from all others, made when it is first asked for; an emptied Redis is another one."""
        made = new_id("led")
        self._core.redis.set(keys.LEDGER_ID, made, nx=True)
        return str(self._core.redis.get(keys.LEDGER_ID) or made)

    def named(self) -> set[str] | None:
        """Keys below `inputs/` that an unfinished job or a node names; None where no session was ever made, or the
        ledger was lost meanwhile: that says nothing about what is stored.

        Jobs are read before nodes: what a job names while it is unfinished, its nodes name once it is not. A job that
        is accepted later, or its picture, is not seen: whoever deletes leaves young objects alone.
        """
        since = self._core.redis.get(keys.KNOWS_SINCE)
        if not self._core.redis.exists(keys.SESSIONS, keys.SESSIONS_RESTING):
            return None
        found: set[str] = set()
        active = sorted(texts(self._core.redis.smembers(keys.JOBS_ACTIVE)))
        for start in range(0, len(active), _CHUNK):
            pipe = self._core.redis.pipeline(transaction=False)
            for job_id in active[start : start + _CHUNK]:
                pipe.hget(keys.job(job_id), "params")
            for text in pipe.execute():
                found.update(input_keys.keys_in(json.loads(text or "null") or {}))
        found |= self._named_at_rest()  # before and after: a tree may come or go meanwhile
        cursor = None
        while cursor != 0:
            cursor, nodes = self._core.redis.scan(cursor or 0, keys.node("ckp_*"), _CHUNK, _type="HASH")
            pipe = self._core.redis.pipeline(transaction=False)
            for key in nodes:
                pipe.hmget(key, "_input_key", "_observed")
            named = (json.loads(text or "null") for texts in pipe.execute() for text in texts)
            found.update(key for key in named if key)
        found |= self._named_at_rest()
        return found if self._core.redis.get(keys.KNOWS_SINCE) == since else None

    def _named_at_rest(self) -> set[str]:
        """Those that resting trees name. Raises StoreUnavailable, DamagedSnapshot."""
        return {key for tree_id, row in self._resting.rows() for key in self._resting.facts(tree_id, row)["inputs"]}
