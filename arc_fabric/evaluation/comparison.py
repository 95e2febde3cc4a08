"""Two evaluations against one another, variant by variant: which one is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.results import Row, counts, word_of
from arc_fabric.evaluation.statistics import mcnemar, pairs_needed

MATCHED = ("seed", "prompt", "actions", "policy", "prompt_mode", "model_settings")
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


def compare(first: Iterable[Row], second: Iterable[Row], on: Sequence[str] = MATCHED) -> Paired:
    """Pair the rows (read thrice, one at a time) that agree in `on`; where a member has one value in each run and the
    two differ, it is what is compared (another prompt, another checkpoint) and is left out. Raises InvalidRequest where
    nothing pairs."""
    one, other = _only_values(first, on), _only_values(second, on)
    members = tuple(name for name in on if not (name in one and name in other and one[name] != other[name]))
    left, right = _judged(first, members), _judged(second, members)
    shared = left.keys() & right.keys()
    if not shared:
        raise InvalidRequest(
            f"No variant of one run has the {', '.join(members)} of one of the other, both judged "
            f"({len(left)} are in the first, {len(right)} in the second).",
            hint="Run both plans over the same seeds, with a scorer that judges.",
        )
    both = sum(left[key] and right[key] for key in shared)
    only_first = sum(left[key] and not right[key] for key in shared)
    only_second = sum(right[key] and not left[key] for key in shared)
    n = len(shared)
    return Paired(
        n, both, only_first, only_second, n - both - only_first - only_second, mcnemar(only_first, only_second),
        pairs_needed(only_first / n, only_second / n), members, counts(first), counts(second),
    )  # fmt: skip


def _only_values(rows: Iterable[Row], on: Sequence[str]) -> dict[str, Any]:
    """The members that have one value in all rows, and which."""
    found: dict[str, Any] | None = None
    for row in rows:
        if found is None:
            found = {name: row.get(name) for name in on}
        found = {name: value for name, value in found.items() if row.get(name) == value}
    return found or {}


def _judged(rows: Iterable[Row], members: Sequence[str]) -> dict[tuple[Any, ...], bool]:
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
