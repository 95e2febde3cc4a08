"""Intervals and tests against published values and against brute force."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from arc_fabric.evaluation.statistics import mcnemar, pairs_needed, wilson


@pytest.mark.parametrize(
    ("good", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(good: int, n: int, low: float, high: float) -> None:
    found = wilson(good, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_wilson_at_the_ends() -> None:
    assert wilson(5, 5).high == 1.0
    assert math.isnan(wilson(0, 0).rate)
    assert wilson(0, 0)[1:] == (0.0, 1.0)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 1), (3, 3), (1, 8), (10, 2)])
def test_mcnemar_is_the_sum_over_all_splits(b: int, c: int) -> None:
    n = b + c
    splits = [sum(bits) for bits in itertools.product((0, 1), repeat=n)]
    as_uneven = sum(abs(2 * heads - n) >= abs(b - c) for heads in splits) / len(splits)
    assert mcnemar(b, c) == pytest.approx(as_uneven)
    assert mcnemar(b, c) == mcnemar(c, b)


def test_mcnemar_with_many_pairs() -> None:
    assert 0 < mcnemar(5000, 5200) < 0.06
    assert mcnemar(3000, 9000) < 1e-100


def test_pairs_needed_find_the_difference() -> None:
    """With so many pairs the exact test finds it in about 80 % of draws (it is a little conservative)."""
    shares, rng = (0.25, 0.10), random.Random(3)
    n = pairs_needed(*shares)
    assert n is not None
    found = 0
    for _ in range(400):
        draws = rng.choices((0, 1, 2), weights=(*shares, 1 - sum(shares)), k=n)
        found += mcnemar(draws.count(0), draws.count(1)) < 0.05
    assert 0.68 < found / 400 < 0.9
    assert pairs_needed(0.2, 0.2) is None
