"""The outcomes of several rounds, one JSON line each, and their sums."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

SUMMED = ("promises", "seconds", "hit_running", "resubmitted", "total_kills")
COUNTED = ("kills", "facts", "failures")


class Book:
    """A file of outcomes; without a path it lives in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.rounds: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.rounds = [json.loads(line) for line in path.read_text().splitlines()]

    def __contains__(self, seed: int) -> bool:
        """Whether a round with this seed is in it."""
        return any(r["seed"] == seed for r in self.rounds)

    def add(self, outcome: dict[str, Any]) -> None:
        """Write down one more round."""
        self.rounds.append(outcome)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(outcome) + "\n")

    def total(self) -> dict[str, Any]:
        """Everything added up; the longest time it took to settle."""
        sums: dict[str, Any] = {"rounds": len(self.rounds), "seeds": [r["seed"] for r in self.rounds]}
        for name in SUMMED:
            sums[name] = round(sum(r[name] for r in self.rounds), 1)
        for name in COUNTED:
            counted: Counter[str] = Counter()
            for r in self.rounds:
                counted.update(r[name])
            sums[name] = dict(counted)
        sums["settle_s_max"] = max((r["settle_s"] for r in self.rounds), default=0.0)
        sums["problems"] = [f"seed {r['seed']}: {p}" for r in self.rounds for p in r["problems"]]
        return sums
