"""The collector: finds payloads nobody needs, marks them, and deletes them after a grace period.

Safe beside writers and other collectors on any machine, without a lock:

- What a stored manifest refers to is live. Everything else below `checkpoints/` is a candidate: payloads deleted by
  their owner, files without a manifest that are older than the grace period. What cannot be told goes for live.
- A pass first looks at the marks, then lists what is stored. Phase one marks a candidate. Phase two, in a pass at least
  `grace_s` later (by the storage's clock), deletes a candidate that was marked before the listing began and whose
  mark, looked at just before, is still the same one. However long the pass takes, the mark tells what came between:
- A writer puts its manifest, then looks for marks on the files it refers to. It finds none, and the files are there:
  then any mark comes later, and the listing before the deletion sees the manifest. It finds one: it puts its own in
  place, so that nobody deletes any more who has not done so within LISTING_VALID_S, waits for that long, and stores
  again what was deleted in between (upload.py).
- A candidate that is needed again gets another mark, too. Marks that do not say "marked" outlive what they speak of by
  longer than a writer trusts what it has seen, so that it need not look at every file each time; only then may they be
  taken away or turn into "marked" again.
- Given pictures (`inputs/`) go the same way, where the caller knows which are named (unnamed_inputs.py), and so do
  clips (`videos/`) that are old or whose checkpoint is gone (old_clips.py).
- All phases can be cut off and repeated. A manifest that cannot be read might refer to anything: nothing is deleted
  while there is one.

Each manifest is read once; what upkeep needs of it is remembered in the store (index.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from arc_fabric.base.input_keys import INPUTS
from arc_fabric.store.backends.base import Backend, ObjectInfo
from arc_fabric.store.backends.marks import Mark, delete_marked, mark, marks, storage_time, unmark
from arc_fabric.store.format.manifest import MANIFEST, TENSORS
from arc_fabric.store.upkeep.facts import Names
from arc_fabric.store.upkeep.index import Index
from arc_fabric.store.upkeep.old_clips import old_clips
from arc_fabric.store.upkeep.scan import Stored, scan
from arc_fabric.store.upkeep.unnamed_inputs import Named, unnamed


@dataclass
class GcReport:
    """What one run found and did. Byte counts are of objects."""

    dry_run: bool
    checkpoints: int = 0
    candidates: int = 0
    candidate_bytes: int = 0
    """What would be freed once every candidate's grace period has passed."""
    marked: int = 0
    unmarked: int = 0
    """Marks taken back because the object is needed again."""
    deleted: int = 0
    freed_bytes: int = 0
    """Deleted now; in a dry run: could be deleted now."""
    unreadable: list[str] = field(default_factory=list)
    """Manifests that cannot be read; while there are any, nothing is deleted."""
    inputs: int | None = None
    """Given pictures among the candidates; None: it was not known which are named, and they were left alone."""
    input_bytes: int = 0
    clips: int = 0
    """Clips among the candidates: old ones, and those of checkpoints that are gone."""
    clip_bytes: int = 0
    swept: int = 0
    """Remains of writes that were cut off, older than the grace period."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self)


class Collector:
    """One pass is `run`; run it as often as you like, from as many places as you like. One that is kept reads less.

    Who looks at everything anyway calls `begin`, `look` for each checkpoint that a scan begun then yields, and `act`.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        grace_s: float = 3600.0,
        named_inputs: Named = lambda: None,
        inputs_since: float = 0.0,
        clips_kept_s: float = math.inf,
        index: Index | None = None,
    ) -> None:
        """`named_inputs` gives the keys below `inputs/` that are still needed; without it they are left alone, and with
        it those that were stored up to `inputs_since` (by the storage's clock). Clips are kept for `clips_kept_s`."""
        self._backend = backend
        self._grace_s = grace_s
        self._named_inputs = named_inputs
        self._inputs_since = inputs_since
        self._clips_kept_s = clips_kept_s
        self._index = index or Index(backend)

    def run(self, *, dry_run: bool = False) -> GcReport:
        """Mark what is not needed, delete what was marked long enough ago. Raises StoreUnavailable."""
        self.begin()
        for stored in scan(self._backend, self._index):
            self.look(stored)
        return self.act(dry_run=dry_run)

    def begin(self) -> None:
        """Look at the marks, before anything is listed."""
        self._began = time.monotonic()
        self._known = marks(self._backend)
        self._now = storage_time(self._backend)
        self._needed, self._lives, self._suspects = Names(), Names(), list[Stored]()
        self._checkpoints, self._unreadable = 0, list[str]()

    def look(self, stored: Stored) -> None:
        """Take in one checkpoint. Of those that live only what they need is kept."""
        self._checkpoints += stored.facts is not None
        for needed in stored.facts.needs if stored.facts else ():
            self._needed.add(needed)
        if stored.living or stored.error is not None:
            self._lives.add(stored.id)
        if stored.error is not None:
            self._unreadable.append(stored.id)
        elif not stored.living:
            self._suspects.append(stored)

    def act(self, *, dry_run: bool = False) -> GcReport:
        """Mark, take back, delete: all was looked at."""
        report = GcReport(dry_run, self._checkpoints, unreadable=sorted(self._unreadable))
        candidates = {info.key: info for info in self._candidates()}
        candidates |= self._inputs(report) | self._clips(report)
        report.candidates = len(candidates)
        report.candidate_bytes = sum(info.size for info in candidates.values())
        if not dry_run:
            report.marked = sum(mark(self._backend, key, self._known.get(key), self._now) for key in candidates)
            report.unmarked = self._unmark(candidates.keys(), report)
            report.swept = self._backend.sweep(self._now - self._grace_s)
        if not self._unreadable:
            self._delete(candidates.values(), report)
        report.seconds = time.monotonic() - self._began
        return report

    def _candidates(self) -> Iterator[ObjectInfo]:
        """Objects that no live manifest needs; of one checkpoint in the order in which they may be deleted."""
        for stored in self._suspects:
            latest = max(info.modified for info in stored.objects.values())
            if stored.facts is None and self._now - latest < self._grace_s:
                continue
            needed = {TENSORS, MANIFEST} if stored.id in self._needed else set()
            for name in sorted(stored.objects, key=lambda name: (name == MANIFEST, name == TENSORS)):
                if name not in needed:
                    yield stored.objects[name]

    def _inputs(self, report: GcReport) -> dict[str, ObjectInfo]:
        found = unnamed(
            self._backend, self._named_inputs, now=self._now, grace_s=self._grace_s, since=self._inputs_since
        )
        if found is None:
            return {}
        report.inputs, report.input_bytes = len(found), sum(info.size for info in found)
        return {info.key: info for info in found}

    def _clips(self, report: GcReport) -> dict[str, ObjectInfo]:
        lives, kept_s = self._lives.__contains__, self._clips_kept_s
        found = list(old_clips(self._backend, lives, now=self._now, grace_s=self._grace_s, kept_s=kept_s))
        report.clips, report.clip_bytes = len(found), sum(info.size for info in found)
        return {info.key: info for info in found}

    def _unmark(self, candidates: Iterable[str], report: GcReport) -> int:
        """Of what was looked at."""
        left = {key: given for key, given in self._known.items() if key not in candidates}
        if report.inputs is None:
            left = {key: given for key, given in left.items() if not key.startswith(INPUTS)}
        return sum(unmark(self._backend, key, given, self._now) for key, given in left.items())

    def _delete(self, candidates: Iterable[ObjectInfo], report: GcReport) -> None:
        spared = ""
        for info in candidates:
            given, folder = self._known.get(info.key), info.key.rpartition("/")[0]
            if given is None or not self._is_due(given) or folder == spared:
                continue
            if report.dry_run or delete_marked(self._backend, info.key, given):
                report.deleted += 1
                report.freed_bytes += info.size
            else:
                spared = folder  # a tombstone does not go before the file

    def _is_due(self, given: Mark) -> bool:
        return given.state in ("marked", "deleted") and self._now - given.since >= self._grace_s
