"""Rows, what they come to, and files of them.

A row is one variant's result:
{variant, checkpoint, prompt, seed, prompt_mode, policy, model_settings, actions, actions_digest, batch, state, verdict,
score, scores, error, head, session_id, job_id, worker, steps, wall_s, finished}. `state` is made or error; `verdict`
true, false or null; `score` the value of the first scorer; `scores` one entry per scorer {name, version, value,
verdict, reason, better, error}.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from arc_fabric.base.actions.model_settings import in_words
from arc_fabric.evaluation.plan import Variant
from arc_fabric.evaluation.statistics import wilson

Row = dict[str, Any]
GROUPS = ("prompt", "seed", "actions", "policy", "prompt_mode", "model_settings", "checkpoint")
"""Members of a row by which results can be grouped."""


def row_of(variant: Variant, job: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> Row:
    """The row of a variant whose job has ended. A job or scorer that failed is an error, not a failure."""
    result = job.get("result") or {}
    steps = result.get("steps") or []
    made = job["state"] == "succeeded"
    broken = next((score["error"] for score in scores if score.get("error")), None)
    actions = variant.actions
    return {
        "variant": variant.number, "checkpoint": variant.checkpoint,
        "prompt": (job.get("params") or {}).get("prompt") or variant.prompt, "seed": variant.seed,
        "prompt_mode": variant.prompt_mode, "policy": variant.policy,
        "model_settings": None if variant.model_settings is None else in_words(variant.model_settings),
        "actions": None if actions is None else actions.name,
        "actions_digest": None if actions is None else digest_of(actions.actions),
        "batch": variant.batch,
        "state": "made" if made and not broken else "error",
        "verdict": verdict_of(scores) if made and not broken else None,
        "score": scores[0].get("value") if made and scores else None, "scores": list(scores),
        "error": broken if made else job.get("error"), "head": result.get("head") if made else None,
        "session_id": job.get("session_id"), "job_id": job.get("id"), "worker": job.get("worker"),
        "steps": len(steps), "wall_s": round(sum(step.get("wall_s", 0.0) for step in steps), 4),
        "finished": job.get("finished"),
    }  # fmt: skip


def verdict_of(scores: Iterable[Mapping[str, Any]]) -> bool | None:
    """Bad where one scorer says so, good where one does and none says bad, else none."""
    said: set[Any] = {score.get("verdict") for score in scores}
    return False if False in said else True if True in said else None


def word_of(row: Row) -> str:
    """good, bad, error or none: how the ledger counts a row."""
    if row["state"] == "error":
        return "error"
    return {True: "good", False: "bad", None: "none"}[row["verdict"]]


def digest_of(actions: Sequence[Sequence[Sequence[float]]]) -> str:
    """SHA-256 of given actions as compact JSON, in hex."""
    return hashlib.sha256(json.dumps(actions, separators=(",", ":")).encode()).hexdigest()


class Counts:
    """How many rows there are of each kind, counted one by one."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._words, self._valued, self._sum = Counter[str](), 0, 0.0
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Count one more."""
        self._words[word_of(row)] += 1
        if row["score"] is not None:
            self._valued, self._sum = self._valued + 1, self._sum + float(row["score"])

    def to_dict(self) -> dict[str, Any]:
        """Counts, and the rate of good ones among those judged with its 95 % Wilson interval. Errors are in no rate."""
        words = self._words
        good, bad = words["good"], words["bad"]
        rate, low, high = wilson(good, good + bad)
        return {
            "n": words.total(), "good": good, "bad": bad, "errors": words["error"], "unjudged": words["none"],
            "rate": rate if good + bad else None, "low": low, "high": high,
            "mean_score": self._sum / self._valued if self._valued else None,
        }  # fmt: skip


def counts(rows: Iterable[Row]) -> dict[str, Any]:
    """What `Counts` says of these rows."""
    return Counts(rows).to_dict()


class SeedGroup:
    """Rows that were made and differ in nothing but the seed: of those with the lowest seeds, `most` at most, what a
    scorer of groups is given; of the others how many there are."""

    def __init__(self, most: int) -> None:
        self.n, self._most, self.rows = 0, most, list[Row]()

    def add(self, row: Row) -> None:
        """Take one more."""
        self.n += 1
        kept = {name: row.get(name) for name in (*GROUPS, "head", "steps")}
        bisect.insort(self.rows, kept, key=lambda one: one["seed"] or 0)
        del self.rows[self._most :]


def seed_groups(rows: Iterable[Row], most: int) -> list[SeedGroup]:
    """Groups of rows that differ in the seed alone, of two or more, each by seed. `rows` are read one at a time."""
    names, found = [name for name in GROUPS if name != "seed"], dict[tuple[Any, ...], SeedGroup]()
    for row in rows:
        if row["head"]:
            found.setdefault(tuple(row.get(name) for name in names), SeedGroup(most)).add(row)
    return [group for group in found.values() if len({row["seed"] for row in group.rows}) > 1]


def to_jsonl(header: Mapping[str, Any], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON text per line, each with what is common to all (`header`): it says where it comes from."""
    return (json.dumps({**row, **header}, separators=(",", ":"), allow_nan=False) + "\n" for row in rows)


_FLAT = (
    *("variant", "prompt", "seed", "actions", "policy", "prompt_mode", "model_settings", "checkpoint"),
    *("state", "verdict", "score", "steps", "wall_s", "head", "session_id", "job_id", "worker", "finished"),
)
"""Members of a row that are plain values."""


def scorers_of(rows: Iterable[Row]) -> list[str]:
    """Names of the scorers that said something, in the order in which they first come."""
    return list(dict.fromkeys(score["name"] for row in rows for score in row["scores"]))


def flat(row: Row, scorers: Sequence[str]) -> dict[str, Any]:
    """A row as plain values: the plain members, `error` as text, then `score.<name>` and `verdict.<name>` of each."""
    found = {name: row.get(name) for name in _FLAT}
    found["error"] = None if row["error"] is None else str(row["error"].get("message", ""))
    said = {score["name"]: score for score in reversed(row["scores"])}
    for name in scorers:
        one = said.get(name, {})
        found |= {f"score.{name}": one.get("value"), f"verdict.{name}": one.get("verdict")}
    return found


def table(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Columns of values, one entry per row, named as `flat` names them."""
    names = scorers_of(rows)
    lines = [flat(row, names) for row in rows]
    return {name: [line[name] for line in lines] for name in columns(names)}


def columns(scorers: Sequence[str]) -> list[str]:
    """What `flat` calls the values of a row."""
    return [*_FLAT, "error", *(f"{kind}.{name}" for name in scorers for kind in ("score", "verdict"))]
