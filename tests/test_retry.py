"""One loop for trying again."""

from __future__ import annotations

import itertools

import pytest

from arc_fabric.base.retry import doubling, retry, within


class Stumbling:
    """Fails so often, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    def __call__(self) -> str:
        """The answer, or KeyError."""
        self.calls += 1
        if self.calls <= self.failures:
            raise KeyError(self.calls)
        return "here"


def test_it_pauses_as_told_between_the_tries() -> None:
    """One pause per failure, none after the answer; who listens hears of each failure."""
    call, slept, heard = Stumbling(2), [], []
    assert retry(call, on=(KeyError,), pauses=(1, 2, 3), sleep=slept.append, told=heard.append) == "here"
    assert (call.calls, slept, [error.args[0] for error in heard]) == (3, [1, 2], [1, 2])


def test_the_last_error_gets_through_when_the_pauses_are_used_up() -> None:
    """One try more than pauses."""
    call = Stumbling(9)
    with pytest.raises(KeyError, match="3"):
        retry(call, on=(KeyError,), pauses=(0, 0), sleep=lambda seconds: None)
    assert call.calls == 3


def test_other_errors_and_a_sleeper_who_is_done_end_it() -> None:
    """An error that is not named is not tried again; a sleep that answers True ends the trying."""
    call = Stumbling(9)
    with pytest.raises(KeyError, match="1"):
        retry(call, on=(OSError,), pauses=(0, 0))
    with pytest.raises(KeyError, match="2"):
        retry(call, on=(KeyError,), pauses=itertools.repeat(0), sleep=lambda seconds: True)


def test_pauses() -> None:
    """Doubling up to the most; the same for a while, and none once no time is left."""
    assert list(itertools.islice(doubling(0.1, 0.5), 5)) == [0.1, 0.2, 0.4, 0.5, 0.5]
    assert next(within(60, 0.3)) == 0.3
    assert list(within(-1, 0.3)) == []
