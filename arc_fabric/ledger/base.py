"""What the parts of the ledger share: clients, scripts, and the way from an answer to a record or an error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from redis import Redis

from arc_fabric import errors
from arc_fabric.ledger import codec, keys
from arc_fabric.ledger.connection import connect, connect_blocking
from arc_fabric.ledger.records import JobRecord, Limits, SessionRecord
from arc_fabric.ledger.scripts import Scripts


def refusal(answer: list[Any]) -> errors.ArcFabricError | None:
    """The exception that a script's `{'error', type, message, context}` names, if it is one."""
    if not answer or answer[0] != "error":
        return None
    kind: type[errors.ArcFabricError] = getattr(errors, answer[1])
    return kind(answer[2], **json.loads(answer[3]))


def raise_refusal(answer: list[Any]) -> None:
    """Raise it."""
    refused = refusal(answer)
    if refused is not None:
        raise refused


def digest(*parts: Any) -> str:
    """What an Idempotency-Key stands for: equal requests have equal digests."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class LedgerBase:
    """Clients and shared reads. Thread-safe."""

    def __init__(self, redis_url: str, *, limits: Limits | None = None) -> None:
        self.redis_url = redis_url
        self.limits = limits or Limits()
        self.redis: Redis = connect(redis_url)
        self.blocking: Redis = connect_blocking(redis_url)
        """For XREAD BLOCK: each waiting thread holds one connection of its pool."""
        self.scripts = Scripts(self.redis)

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()
        self.blocking.close()

    def ping(self) -> bool:
        """Whether Redis answers."""
        return bool(self.redis.ping())

    def _fields(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Decoded hashes of several keys in one round trip; an absent one is empty."""
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        return [codec.decode(stored) for stored in pipe.execute()]

    def session(self, session_id: str) -> SessionRecord:
        """One session, or SessionNotFound."""
        (fields,) = self._fields([keys.session(session_id)])
        if not fields:
            raise errors.SessionNotFound(f"No session {session_id}.", session_id=session_id)
        return SessionRecord.from_fields(fields)

    def job(self, job_id: str) -> JobRecord:
        """One job, or JobNotFound."""
        (fields,) = self._fields([keys.job(job_id)])
        if not fields:
            raise errors.JobNotFound(f"No job {job_id}.", job_id=job_id)
        return JobRecord.from_fields(fields)

    def _newest_ids(self, key: str, cursor: str | None, count: int) -> list[str]:
        """Ids of a zero-score sorted set, newest first, starting after `cursor`."""
        start = f"({cursor}" if cursor else "+"
        return list(self.redis.zrevrangebylex(key, start, "-", start=0, num=count))
