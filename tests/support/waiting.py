"""Waiting for what must come, by looking again and again: a test never sleeps for so long that it should have come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TIMEOUT_S = 60.0
"""How long a busy machine may keep us waiting. No claim about how long anything takes: benchmarks make those."""


def eventually(condition: Callable[[], T], timeout_s: float = TIMEOUT_S, what: str = "") -> T:
    """The first value of `condition` that counts as true; the test fails if there is none."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what or condition}"
        time.sleep(0.02)
    return value
