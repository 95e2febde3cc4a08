"""One line of the table: a measured value, how sure it is, and what it is to be compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np


@dataclass
class Row:
    """A measured value beside its bar."""

    name: str
    value: float
    unit: str
    bar: float
    at_least: bool
    n: int
    interval: tuple[float, float] | None = None
    """95 %."""
    beside: dict[str, float] = field(default_factory=dict)
    """The same of something else: of a repeated last frame, of the simulator itself, with something taken away."""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of the bar."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def rounded(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "bar": f"{'>=' if self.at_least else '<='} {self.bar:g}",
            "met": bool(self.met),
            "n": self.n,
            "interval": self.interval and [round(edge, 3) for edge in self.interval],
            "beside": {key: round(value, 3) for key, value in self.beside.items()},
        }


def average(values: Iterable[float]) -> float:
    """The mean."""
    return float(np.mean(list(values)))


def percent(hits: Iterable[bool]) -> float:
    """The share that is true, in per cent."""
    return 100 * average(hits)


def rate(name: str, hits: Sequence[bool], bar: float, beside: dict[str, float] | None = None) -> Row:
    """A share in per cent, with Wilson's interval."""
    n, p, z = len(hits), average(hits), 1.96
    middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (100 * (middle + way * half) / (1 + z * z / n) for way in (-1, 1))
    return Row(name, 100 * p, "%", bar, True, n, (max(0.0, low), min(100.0, high)), beside or {})


def figure(
    name: str,
    columns: Sequence[Sequence[float]],
    unit: str,
    bar: float,
    beside: dict[str, float] | None = None,
    *,
    at_least: bool = False,
    of: Callable[..., float] = average,
) -> Row:
    """A figure (by default the mean) of columns of one value per scene, with a bootstrapped interval."""
    table, rng = [np.asarray(column, float) for column in columns], np.random.default_rng(0)
    n = len(table[0])
    draws = [rng.integers(0, n, n) for _ in range(500)]
    again = [of(*(column[draw] for column in table)) for draw in draws]
    low, high = np.nanpercentile(again, [2.5, 97.5])
    return Row(name, float(of(*table)), unit, bar, at_least, n, (float(low), float(high)), beside or {})


def ratio(a: np.ndarray, b: np.ndarray) -> float:
    """The ratio of two means."""
    return float(a.mean() / b.mean())
