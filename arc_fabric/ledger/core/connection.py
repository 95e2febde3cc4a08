"""Redis clients with timeouts that fit what they are used for, and what counts as an outage of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from redis import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

StreamLines = list[tuple[str, list[tuple[str, dict[str, str]]]]]
"""What XREAD answers to a client that decodes: for each stream its new lines, each an id and fields."""
BLOCK_S = 2.0
"""Longest wait inside Redis of one blocking read; longer waits are loops around it."""


_REFUSAL = re.compile(r"(OOM|MISCONF|NOREPLICAS|READONLY|UNBLOCKED|MASTERDOWN|CLUSTERDOWN|BUSY|NOPERM)")
_IN_SCRIPT = "ACL failure in script: "
_LEFT_OUT = re.compile(r"[,.]?\s*script:.*", re.DOTALL)


class WritesRefused(ResponseError):
    """Redis answers and takes no writes for now: no memory or disk is left (OOM, MISCONF), too few replicas follow it
    (NOREPLICAS), it is a replica itself (READONLY, UNBLOCKED, MASTERDOWN), somebody's script holds it up, reading
    included (BUSY), or somebody took a right from our user (NOPERM). Waiting helps, as in an outage."""


REDIS_OUTAGE = (RedisConnectionError, RedisTimeoutError, ConnectionError, TimeoutError, WritesRefused)
"""What a call raises when Redis cannot do its work now, whatever the call was."""


class _Refusing:
    """A connection that tells refused writes from mistakes of ours. A pipeline's errors come through here as well."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """As in redis-py."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            # redis-py takes the code that it knows off the text; inside a script's error it may stand later.
            code = str(getattr(error, "status_code", None) or str(error).partition(" ")[0])
            if str(error).startswith(_IN_SCRIPT):
                code = "NOPERM"
            if not _REFUSAL.fullmatch(code):
                raise
            text = _LEFT_OUT.sub("", str(error).removeprefix(_IN_SCRIPT))
            raise WritesRefused(text if text.startswith(code) else f"{code} {text}") from None


class TcpConnection(_Refusing, Connection):
    """redis://"""


class TlsConnection(_Refusing, SSLConnection):
    """rediss://"""


class SocketConnection(_Refusing, UnixDomainSocketConnection):
    """unix://"""


_KINDS = {"rediss": TlsConnection, "unix": SocketConnection}


def _client(url: str, **options: Any) -> Redis:
    kind = _KINDS.get(url.partition("://")[0], TcpConnection)
    return Redis.from_url(url, connection_class=kind, socket_connect_timeout=2.0, **options)


def connect(url: str) -> Redis:
    """A client for short commands. Three quick retries: our scripts are idempotent, and redis-py's ten would
    hide an outage for a minute from a worker that should notice it."""
    return _client(
        url,
        decode_responses=True,
        socket_timeout=5.0,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def connect_blocking(url: str) -> Redis:
    """A client for XREAD BLOCK and friends.

    Its socket timeout is longer than any block we ask for, and a lost connection is reported at once, so that
    the reader decides where to go on.
    """
    return _client(
        url,
        decode_responses=True,
        socket_timeout=BLOCK_S + 5.0,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 0),
    )


def connect_bytes(url: str) -> Redis:
    """A client for images: answers stay bytes."""
    return _client(url, socket_timeout=5.0, health_check_interval=30)


def texts(answer: Iterable[object]) -> list[str]:
    """An answer of texts from a client that decodes them; redis-py's types allow for bytes and scores as well."""
    return [str(item) for item in answer]
