"""Waiting out an outage of Redis or the object store, where giving up would lose finished work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from arc_fabric.base.retry import retry, within
from arc_fabric.errors import StoreUnavailable
from arc_fabric.ledger import REDIS_OUTAGE

__all__ = ["OUTAGES", "REDIS_OUTAGE", "through_outages", "through_store_outages"]
log = logging.getLogger(__name__)
T = TypeVar("T")
OUTAGES = (*REDIS_OUTAGE, StoreUnavailable, OSError)
"""What background threads wait out: Redis or the object store is away, or this machine is short of something."""
TIMEOUT_S = 60.0
_PAUSE_S = 0.3


def through_outages(
    call: Callable[[], T], *, of: tuple[type[Exception], ...] = REDIS_OUTAGE, timeout_s: float = TIMEOUT_S
) -> T:
    """`call()`, again and again while it fails with one of `of`, for at most `timeout_s` seconds.

    `call` must be safe to repeat (the ledger's scripts are).
    """
    return retry(
        call, on=of, pauses=within(timeout_s, _PAUSE_S),
        told=lambda error: log.warning("waiting for %s: %s", type(error).__name__, error),
    )  # fmt: skip


def through_store_outages(call: Callable[[], T]) -> T:
    """`call()`, again and again while the object store does not answer, for at most `TIMEOUT_S` seconds."""
    return through_outages(call, of=(StoreUnavailable,))
