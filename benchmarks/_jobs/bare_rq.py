"""The same for RQ: a SimpleWorker (no fork per job) and an empty job."""

from __future__ import annotations

import os
import sys

import redis

_client = redis.Redis.from_url(os.environ["BENCH_REDIS_URL"]) if "BENCH_REDIS_URL" in os.environ else None


def noop(key: str) -> None:
    """Say that it was run."""
    assert _client is not None
    _client.lpush(key, 1)


if __name__ == "__main__":
    from rq import Queue, SimpleWorker

    connection = redis.Redis.from_url(os.environ["BENCH_REDIS_URL"])
    SimpleWorker([Queue("bench-rq", connection=connection)], connection=connection).work(logging_level="ERROR")
    sys.exit(0)
