"""Two evaluations against one another, variant by variant: which one is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.results import Row, counts, word_of
from arc_fabric.evaluation.statistics import mcnemar, pairs_needed

MATCHED = ("seed", "prompt", "actions", "policy", "prompt_mode")
"""What the two variants of a pair agree in."""


@dataclass(frozen=True)
class Paired:
    """What the variants that both runs judged come to."""

    pairs: int
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    """Two-sided, exact McNemar test."""
    pairs_needed: int | None
    """To find a difference of this size with power 0.8 at 5 %; None where there is none."""
    matched_on: tuple[str, ...]
    first: dict[str, Any]
    second: dict[str, Any]
    """Counts of all rows of each run."""

    @property
    def change(self) -> float:
        """Rate of the second run less that of the first, over the pairs."""
        return (self.only_second - self.only_first) / self.pairs

    def worse(self, alpha: float = 0.05) -> bool:
        """Whether the second run is worse than the first, and that is no chance."""
        return self.only_second < self.only_first and self.p < alpha

    def to_dict(self) -> dict[str, Any]:
        """The JSON view."""
        return asdict(self) | {"change": self.change, "worse": self.worse()}


def compare(first: Sequence[Row], second: Sequence[Row], on: Sequence[str] = MATCHED) -> Paired:
    """Pair the rows that agree in `on`; where a member has one value in each run and the two differ, it is what is
    compared (another prompt, another checkpoint) and is left out. Raises InvalidRequest where nothing pairs."""
    members = tuple(name for name in on if not _is_the_difference(name, first, second))
    left, right = _judged(first, members), _judged(second, members)
    shared = left.keys() & right.keys()
    if not shared:
        raise InvalidRequest(
            f"No variant of one run has the {', '.join(members)} of one of the other, both judged.",
            hint="Run both plans over the same seeds.",
        )
    both = sum(left[key] and right[key] for key in shared)
    only_first = sum(left[key] and not right[key] for key in shared)
    only_second = sum(right[key] and not left[key] for key in shared)
    n = len(shared)
    return Paired(
        n, both, only_first, only_second, n - both - only_first - only_second, mcnemar(only_first, only_second),
        pairs_needed(only_first / n, only_second / n), members, counts(first), counts(second),
    )  # fmt: skip


def _is_the_difference(name: str, first: Sequence[Row], second: Sequence[Row]) -> bool:
    values = {row.get(name) for row in first}, {row.get(name) for row in second}
    return len(values[0]) == len(values[1]) == 1 and values[0] != values[1]


def _judged(rows: Sequence[Row], members: Sequence[str]) -> dict[tuple[Any, ...], bool]:
    found: dict[tuple[Any, ...], bool] = {}
    for row in rows:
        if word_of(row) not in ("good", "bad"):
            continue
        key = tuple(row.get(name) for name in members)
        if key in found:
            raise InvalidRequest(
                f"Two rows of one run have the same {', '.join(members)}: {key}.", hint="Match on more members."
            )
        found[key] = row["verdict"]
    return found
