"""The same for Dramatiq: one process, one thread, an empty actor."""

from __future__ import annotations

import os

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

_url = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
dramatiq.set_broker(RedisBroker(url=_url))
_client = redis.Redis.from_url(_url)


@dramatiq.actor(queue_name="bench-dramatiq")
def noop(key: str) -> None:
    """Say that it was run."""
    _client.lpush(key, 1)
