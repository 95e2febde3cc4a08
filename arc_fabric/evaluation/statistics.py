"""How sure a rate is, and whether two runs differ. Exact where counts are small; formulas with their sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """A rate between two bounds, all in 0..1."""

    rate: float
    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The Wilson score interval (E. B. Wilson, JASA 22, 1927; Newcombe, Statistics in Medicine 17, 1998, method 3).

    >>> [round(x, 3) for x in wilson(9, 10)]
    [0.9, 0.596, 0.982]
    """
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, z2 = successes / n, z * z
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of the exact McNemar test (Q. McNemar, Psychometrika 12, 1947; binomial form): how likely so uneven
    a split of the pairs that disagree is when both runs are equally good.

    >>> round(mcnemar(8, 1), 4)
    0.0391
    """
    n = only_first + only_second
    if n == 0:
        return 1.0
    # Whole numbers until the last division: 2.0 ** n overflows beyond a thousand pairs.
    ways = tail = 1  # of choosing k from n, each from the one before it: math.comb would count each anew
    for k in range(min(only_first, only_second)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return float(min(1.0, tail / 2 ** (n - 1)))


def holm(ps: Sequence[float]) -> list[float]:
    """p of each of several tests so that the chance of one false finding among all keeps its bound (S. Holm,
    Scandinavian Journal of Statistics 6, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    found, least = [1.0] * len(ps), 0.0
    for rank, number in enumerate(sorted(range(len(ps)), key=lambda number: ps[number])):
        least = max(least, min(1.0, ps[number] * (len(ps) - rank)))
        found[number] = least
    return found


def pairs_needed(only_first: float, only_second: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Matched pairs for McNemar's test to find a difference as large as these shares of discordant pairs say
    (Connor, Biometrics 43, 1987). None where the shares are equal.

    >>> pairs_needed(0.25, 0.10)
    120
    """
    gap, discordant = abs(only_first - only_second), only_first + only_second
    if gap == 0:
        return None
    z_a, z_b = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    root = z_a * math.sqrt(discordant) + z_b * math.sqrt(max(0.0, discordant - gap * gap))
    return math.ceil((root / gap) ** 2)


def seeds_needed(first: float, second: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Seeds that both runs need to tell success rates `first` and `second` apart, were the outcomes of a seed in the
    two independent; where they go together, fewer do. None for equal rates.

    >>> seeds_needed(0.5, 0.7)
    96
    """
    return pairs_needed(first * (1 - second), second * (1 - first), power, alpha)
