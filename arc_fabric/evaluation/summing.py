"""What the results come to, in one pass over them: no more is held of a row than its values and its verdict.

>>> found = summary([{"variant": 0, "state": "made", "verdict": True, "score": 1.0, "scores": [], "seed": 3}])
>>> found["all"]["good"], found["best"], found["differences"]
(1, 0, [])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from arc_fabric.evaluation.results import GROUPS, Counts, Row, word_of
from arc_fabric.evaluation.statistics import holm, mcnemar

MOST_VALUES = 1000
"""A member with more different values than this has no counts by each."""
MOST_COMPARED = 12
"""Of a member with more different values than this no two are compared."""


def summary(rows: Iterable[Row], groups: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Counts of all, and by each thing that differs among the rows; what of it is better than the rest, and how sure
    that is; the best and the worst row; why some have no verdict; `groups` as judged."""
    total, better, examples = Counts(), "", dict[str, dict[str, Any]]()
    by: dict[str, dict[Hashable, Counts]] = {name: {} for name in GROUPS}
    judged, ends = _Judged(), _Ends()
    for row in rows:
        word = word_of(row)
        total.add(row)
        ends.add(row)
        for name, values in by.items():
            if len(values) <= MOST_VALUES:
                values.setdefault(row.get(name), Counts()).add(row)
        if word in ("good", "bad"):
            judged.add(row)
        elif word not in examples:
            examples[word] = {"variant": row["variant"], "reason": _why(row)}
        better = better or next((score["better"] for score in row["scores"] if score.get("better")), "")
    shown = {name: values for name, values in by.items() if 1 < len(values) <= MOST_VALUES}
    counted = {name: [{name: value, **one.to_dict()} for value, one in values.items()]
               for name, values in shown.items()}  # fmt: skip
    best, worst = ends.of(better or "higher")
    return {
        "all": total.to_dict(), "by": counted, "too_many": [name for name, values in by.items()
                                                            if len(values) > MOST_VALUES],
        "differences": [one for name, parts in counted.items() if name != "seed" and len(parts) <= MOST_COMPARED
                        for one in judged.differences(name, parts)],
        "examples": examples, "better": better or "higher", "groups": list(groups), "best": best, "worst": worst,
    }  # fmt: skip


def _why(row: Row) -> str:
    if row["error"] is not None:
        return str(row["error"].get("message", ""))
    return "; ".join(f"{score['name']}: {score['reason']}" for score in row["scores"] if score.get("reason"))


class _Ends:
    """The variants with the best and the worst score, whichever way is good: of equal ones the first is best, the last
    is worst."""

    def __init__(self) -> None:
        self._ends: dict[str, list[tuple[float, int]]] = {"higher": [], "lower": []}

    def add(self, row: Row) -> None:
        if row["score"] is None:
            return
        for better, ends in self._ends.items():
            one = float(row["score"]) * (1 if better == "higher" else -1), -int(row["variant"])
            ends[:] = [max([one, *ends]), min([one, *ends])]

    def of(self, better: str) -> tuple[int | None, int | None]:
        """The best and the worst."""
        ends = self._ends[better]
        return (-ends[0][1], -ends[1][1]) if ends else (None, None)


class _Judged:
    """Verdicts by what the rows have, each value as a small number."""

    def __init__(self) -> None:
        self._numbers: list[dict[Hashable, int]] = [{} for _ in GROUPS]
        self._rows: list[tuple[tuple[int, ...], bool]] = []

    def add(self, row: Row) -> None:
        key = tuple(known.setdefault(row.get(name), len(known))
                    for name, known in zip(GROUPS, self._numbers, strict=True))  # fmt: skip
        self._rows.append((key, row["verdict"]))

    def differences(self, name: str, parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The value of `name` with the highest rate against each other one, over pairs of variants that agree in all
        else: exact McNemar test, p by Holm's method over every two values."""
        at = GROUPS.index(name)
        verdicts: defaultdict[int, dict[tuple[int, ...], bool]] = defaultdict(dict)
        for key, verdict in self._rows:
            verdicts[key[at]][key[:at] + key[at + 1 :]] = verdict
        rated = sorted((part for part in parts if part["rate"] is not None), key=lambda part: -part["rate"])
        found = []
        for one, other in combinations(rated, 2):
            left, right = (verdicts[self._numbers[at][part[name]]] for part in (one, other))
            shared = left.keys() & right.keys()
            if shared:
                only_best = sum(left[key] and not right[key] for key in shared)
                only_than = sum(right[key] and not left[key] for key in shared)
                found.append({"by": name, "best": one[name], "than": other[name], "pairs": len(shared),
                              "only_best": only_best, "only_than": only_than})  # fmt: skip
        adjusted = holm([mcnemar(one["only_best"], one["only_than"]) for one in found])
        return [one | {"p": p} for one, p in zip(found, adjusted, strict=True) if one["best"] == rated[0][name]]
