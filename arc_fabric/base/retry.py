"""Trying again what failed for a while: one loop for every place that does.

>>> answers = iter([OSError, OSError, "here"])
>>> def ask() -> str:
...     answer = next(answers)
...     if answer is OSError:
...         raise OSError("not yet")
...     return answer
>>> retry(ask, on=(OSError,), pauses=(0.0, 0.0))
'here'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def retry(
    call: Callable[[], T],
    *,
    on: tuple[type[Exception], ...],
    pauses: Iterable[float],
    sleep: Callable[[float], bool | None] = time.sleep,
    told: Callable[[Exception], None] = lambda error: None,
) -> T:
    """`call()`, and again after each of `pauses` (seconds) while it raises one of `on`; its last error gets through.

    `call` must be safe to repeat. `told` hears of each failure that is tried again. A `sleep` that answers True (as
    `Event.wait` does) ends the trying: the error gets through.
    """
    for pause in pauses:
        try:
            return call()
        except on as error:
            told(error)
            if sleep(pause):
                raise
    return call()


def doubling(first: float, most: float) -> Iterator[float]:
    """Pauses for ever, each twice the one before, up to `most` seconds."""
    while True:
        yield first
        first = min(2 * first, most)


def within(seconds: float, pause: float) -> Iterator[float]:
    """One and the same pause again and again, until so many seconds have passed since the first was asked for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() <= deadline:
        yield pause
