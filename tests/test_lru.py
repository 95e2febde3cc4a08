"""One cache order for all: what was used last stays, within a budget."""

from __future__ import annotations

import pytest

from arc_fabric.base.lru import Lru


def test_a_value_in_the_place_of_another_is_weighed_again() -> None:
    """It counts once, and as the latest."""
    kept: Lru[str, bytes] = Lru(10, len)
    kept.put("a", b"1234")
    kept.put("b", b"1234")
    assert kept.add("a", b"12345678") == [("b", b"1234")]
    assert kept.used == 8
    assert kept.pop("a") == b"12345678"
    assert (kept.used, len(kept), kept.pop("a")) == (0, 0, None)


def test_what_is_kept_stays_and_what_is_beside_counts() -> None:
    """Room is made from the oldest that may go; where none may, the budget is passed."""
    kept: Lru[str, int] = Lru(10, int)
    for key in "abc":
        kept.put(key, 3)
    assert kept.shrink(beside=1) == []
    assert kept.shrink(keep="a".__contains__, beside=2) == [("b", 3)]
    assert kept.shrink(keep="ac".__contains__, beside=9) == []
    assert kept.used == 6


@pytest.mark.parametrize(("bounds", "left"), [({"most": 2}, ["b", "c"]), ({"least": 1}, ["c"]), ({}, [])])
def test_bounds_by_number(bounds: dict[str, int], left: list[str]) -> None:
    """At most so many whatever they weigh; so many at least, also over the budget."""
    kept: Lru[str, int] = Lru(10, int, **bounds)
    for key in "abc":
        kept.add(key, 1 if "most" in bounds else 11)
    assert [key for key, _ in kept.items()] == left


def test_looking_is_no_use() -> None:
    """`peek` leaves the order, `get` makes the value the latest."""
    kept: Lru[str, int] = Lru(2, int)
    kept.put("a", 1)
    kept.put("b", 1)
    assert (kept.peek("a"), kept.peek("x")) == (1, None)
    assert kept.add("c", 1) == [("a", 1)]
    assert kept.get("b") == 1
    assert kept.add("d", 1) == [("c", 1)]
