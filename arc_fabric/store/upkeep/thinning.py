"""Keeping storage within a budget: checkpoints that matter least become light, their KV leaves storage.

A light checkpoint keeps everything else, and a model that can rebuilds its KV bit for bit, so thinning costs time and
never bits. Who matters is the caller's knowledge: `keep` are checkpoints whose KV stays whole, `used` says when a
checkpoint was last of use. Of the rest the KV in the least recently used files goes first, as much as the budget asks.

In two phases, as the collector's, safe beside writers, readers and other thinners without a lock:

- Phase one marks a file. Phase two, at least `grace_s` later (by the storage's clock), takes the KV out of it, if it
  is still chosen; else the mark is taken back. What is used again within the grace period keeps its KV.
- A reader that finds KV gone looks at the owner's manifest, and goes on without (loader.py). A writer may still
  refer to KV that has just gone: its checkpoint is a light one then.
- The manifest goes first (drop_kv.py). A run that was cut off in between left a file longer than its manifest says:
  the next run finishes it.
- While a manifest cannot be read nothing is taken away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass, field
from typing import Any

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, UnknownFormat
from arc_fabric.store.backends.base import Backend
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.format.manifest import MANIFEST, TENSORS
from arc_fabric.store.upkeep.drop_kv import drop_kv
from arc_fabric.store.upkeep.facts import Facts, Names
from arc_fabric.store.upkeep.scan import Stored

log = logging.getLogger(__name__)
MARKS = "gc/thin/"


@dataclass
class ThinReport:
    """What one run found and did. Bytes are of objects below `checkpoints/`."""

    dry_run: bool
    budget_bytes: int
    stored_bytes: int = 0
    """Of living checkpoints and of what they refer to, before this run."""
    kept: int = 0
    """Checkpoints whose KV stays whatever the budget says."""
    chosen: list[str] = field(default_factory=list)
    """Files whose KV has to go, the least recently used first."""
    chosen_bytes: int = 0
    excess_bytes: int = 0
    """Over the budget still, once everything chosen is gone: raise the budget, unpin or delete."""
    marked: int = 0
    unmarked: int = 0
    dropped: int = 0
    freed_bytes: int = 0
    """Taken away now; in a dry run: could be taken away now."""
    unreadable: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self)


class Stock:
    """What is stored, as far as the budget is concerned."""

    def __init__(self, found: Iterable[Stored]) -> None:
        self.facts: dict[str, Facts] = {}
        self.unreadable: list[str] = []
        self.unfinished: dict[str, int] = {}
        """Bytes that drops which were cut off have left behind, by checkpoint."""
        needed, dead = Names(), dict[str, int]()
        living = 0
        for stored in found:
            if stored.facts is not None:
                self.facts[stored.id] = stored.facts
                for name in stored.facts.needs:
                    needed.add(name)
            if stored.error is not None:
                self.unreadable.append(stored.id)
            if stored.left_behind:
                self.unfinished[stored.id] = stored.left_behind
            if stored.living:
                living += stored.size
            else:
                dead[stored.id] = stored.size_of(TENSORS, MANIFEST)
        self.bytes = living + sum(size for checkpoint_id, size in dead.items() if checkpoint_id in needed)
        """Of living checkpoints and of the files they refer to; what waits for the collector does not count."""


class Thinner:
    """One pass is `run`; run it as often as you like, from as many places as you like."""

    def __init__(self, backend: Backend, *, budget_bytes: int, grace_s: float) -> None:
        self._backend = backend
        self._budget = budget_bytes
        self._grace_s = grace_s

    def run(self, stock: Stock, keep: Set[str], used: Mapping[str, float], *, dry_run: bool = False) -> ThinReport:
        """Mark what has to go, take away what was marked long enough ago. `used`: epoch seconds by checkpoint id; one
        that is missing counts as used when it was made. Raises StoreUnavailable."""
        report = ThinReport(dry_run, self._budget, stored_bytes=stock.bytes, unreadable=sorted(stock.unreadable))
        report.kept = len(keep & stock.facts.keys())
        marks = {info.key.removeprefix(MARKS): info.modified for info in self._backend.list(MARKS)}
        chosen = choose(stock, keep, used, report.stored_bytes - self._budget)
        report.chosen, report.chosen_bytes = list(chosen), sum(chosen.values())
        report.excess_bytes = max(0, report.stored_bytes - report.chosen_bytes - self._budget)
        now = storage_time(self._backend)
        if not dry_run:
            self._mark(chosen, marks, report)
        if not stock.unreadable:
            due = {i: size for i, size in chosen.items() if i in marks and now - marks[i] >= self._grace_s}
            self._drop(due, report)
        return report

    def _mark(self, chosen: Mapping[str, int], marks: Mapping[str, float], report: ThinReport) -> None:
        for checkpoint_id in chosen.keys() - marks.keys():
            self._backend.put(MARKS + checkpoint_id, b"")
            report.marked += 1
        for checkpoint_id in marks.keys() - chosen.keys():
            self._backend.delete(MARKS + checkpoint_id)
            report.unmarked += 1

    def _drop(self, due: Mapping[str, int], report: ThinReport) -> None:
        for checkpoint_id, size in due.items():
            if not report.dry_run:
                try:
                    drop_kv(self._backend, checkpoint_id)
                except (CheckpointUnavailable, DamagedSnapshot, UnknownFormat, KeyError, ValueError) as error:
                    log.warning(
                        "the KV of checkpoint %s stays: %s", checkpoint_id, error
                    )  # deleted or damaged meanwhile
                    continue
                self._backend.delete(MARKS + checkpoint_id)
                log.info("the KV of checkpoint %s leaves storage: %d bytes", checkpoint_id, size)
            report.dropped += 1
            report.freed_bytes += size


def choose(stock: Stock, keep: Set[str], used: Mapping[str, float], excess: int) -> dict[str, int]:
    """The files whose KV has to go to free `excess` bytes, in order: checkpoint id -> bytes it frees.

    A file's KV is worth what its most recently used user is worth. Of files that are worth the same the one with fewer
    users goes first: the end of a window before its beginning, without which the end is of no use.
    """
    chosen, excess = dict(stock.unfinished), excess - sum(stock.unfinished.values())
    users = _kv_users(stock.facts)
    kept = {owner for owner, of_one in users.items() if of_one & keep}

    def worth(owner: str) -> tuple[float, int, str]:
        times = [used.get(user, stock.facts[user].created) for user in users.get(owner, ())]
        return max(times, default=0.0), len(times), owner

    candidates = {i: facts.kv_own for i, facts in stock.facts.items() if facts.kv_own and i not in kept}
    for owner in sorted(candidates, key=worth):
        if excess <= 0:
            break
        chosen[owner] = candidates[owner]
        excess -= candidates[owner]
    return chosen


def _kv_users(facts: Mapping[str, Facts]) -> dict[str, set[str]]:
    """checkpoint id -> the checkpoints that have all of their KV, some of it in this one's file."""
    users: dict[str, set[str]] = {}
    for checkpoint_id, of_one in facts.items():
        if not any(facts[home].kv_dropped for home in of_one.kv_homes if home in facts):
            for home in of_one.kv_homes:
                users.setdefault(home, set()).add(checkpoint_id)
    return users
