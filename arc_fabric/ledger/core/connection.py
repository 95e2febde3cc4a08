"""Redis clients with timeouts that fit what they are used for."""

from __future__ import annotations

from collections.abc import Iterable

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

StreamLines = list[tuple[str, list[tuple[str, dict[str, str]]]]]
"""What XREAD answers to a client that decodes: for each stream its new lines, each an id and fields."""
BLOCK_S = 2.0
"""Longest wait inside Redis of one blocking read; longer waits are loops around it."""


def connect(url: str) -> Redis:
    """A client for short commands. Three quick retries: our scripts are idempotent, and redis-py's ten would
    hide an outage for a minute from a worker that should notice it."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=5.0,
        socket_connect_timeout=2.0,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def connect_blocking(url: str) -> Redis:
    """A client for XREAD BLOCK and friends.

    Its socket timeout is longer than any block we ask for, and a lost connection is reported at once, so that
    the reader decides where to go on.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=BLOCK_S + 5.0,
        socket_connect_timeout=2.0,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 0),
    )


def connect_bytes(url: str) -> Redis:
    """A client for images: answers stay bytes."""
    return Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=2.0, health_check_interval=30)


def texts(answer: Iterable[object]) -> list[str]:
    """An answer of texts from a client that decodes them; redis-py's types allow for bytes and scores as well."""
    return [str(item) for item in answer]
