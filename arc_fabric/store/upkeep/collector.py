"""The collector: finds payloads nobody needs, marks them, and deletes them after a grace period.

Safe beside writers and other collectors on any machine, without a lock:

- What a stored manifest refers to is live. Everything else below `checkpoints/` is a candidate: payloads deleted by
  their owner, files without a manifest that are older than the grace period.
- Phase one marks a candidate. Phase two, at least `grace_s` later (by the storage's clock),
  deletes it, if a listing begun less than half of LISTING_VALID_S ago still finds it unneeded. A candidate that is
  needed again loses its mark, but only once older listings have expired.
- A writer puts its manifest, then looks for marks on the files it refers to. It finds none, and the files are there:
  then any mark comes later, and the listing before the deletion sees the manifest. It finds one: it waits until
  listings older than its manifest have expired, and stores again what was deleted in between (upload.py). A mark
  outlives its object by longer than a writer trusts what it has seen, so that it need not look at every file each time.
- Given pictures (`inputs/`) go the same way, where the caller knows which are named (unnamed_inputs.py).
- All phases can be cut off and repeated. A manifest that cannot be read might refer to anything: nothing is deleted
  while there is one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from arc_fabric.base.input_keys import INPUTS
from arc_fabric.store.backends.base import Backend, ObjectInfo
from arc_fabric.store.backends.marks import (
    LISTING_VALID_S,
    Mark,
    delete_marked,
    mark,
    marks,
    storage_time,
    unmark,
)
from arc_fabric.store.format.manifest import MANIFEST, TENSORS
from arc_fabric.store.upkeep.scan import Scan, scan
from arc_fabric.store.upkeep.unnamed_inputs import Named, unnamed

log = logging.getLogger(__name__)


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
    swept: int = 0
    """Remains of writes that were cut off, older than the grace period."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self)


class Collector:
    """One pass is `run`; run it as often as you like, from as many places as you like."""

    def __init__(
        self,
        backend: Backend,
        *,
        grace_s: float = 3600.0,
        named_inputs: Named = lambda: None,
        inputs_since: float = 0.0,
    ) -> None:
        """`named_inputs` gives the keys below `inputs/` that are still needed; without it they are left alone, and with
        it those that were stored up to `inputs_since` (by the storage's clock)."""
        self._backend = backend
        self._grace_s = grace_s
        self._named_inputs = named_inputs
        self._inputs_since = inputs_since

    def run(self, *, dry_run: bool = False) -> GcReport:
        """Mark what is not needed, delete what was marked long enough ago. Raises StoreUnavailable."""
        report, began = GcReport(dry_run), time.monotonic()
        known = marks(self._backend)
        now = storage_time(self._backend)
        found = scan(self._backend)
        report.checkpoints, report.unreadable = len(found.manifests), sorted(found.unreadable)
        candidates = {info.key: info for info in self._candidates(found, now)}
        candidates |= self._inputs(now, report)
        report.candidates = len(candidates)
        report.candidate_bytes = sum(info.size for info in candidates.values())
        if not dry_run:
            self._mark(candidates, known, report)
            self._unmark(candidates, _looked_at(known, report), now, report)
            report.swept = self._backend.sweep(now - self._grace_s)
        due = [info for key, info in candidates.items() if key in known and now - known[key].since >= self._grace_s]
        if not found.unreadable:
            self._delete(due, found, report)
        report.seconds = time.monotonic() - began
        return report

    def _candidates(self, found: Scan, now: float) -> Iterator[ObjectInfo]:
        """Objects that no live manifest needs; of one checkpoint in the order in which they may be deleted."""
        users = found.referenced()
        for checkpoint_id, members in found.objects.items():
            manifest = found.manifests.get(checkpoint_id)
            if checkpoint_id in found.unreadable or (manifest and not manifest.deleted):
                continue
            young = manifest is None and now - max(i.modified for i in members.values()) < self._grace_s
            if young:
                continue
            needed = {TENSORS, MANIFEST} if checkpoint_id in users else set()
            for name in sorted(members, key=lambda name: (name == MANIFEST, name == TENSORS)):
                if name not in needed:
                    yield members[name]

    def _inputs(self, now: float, report: GcReport) -> dict[str, ObjectInfo]:
        found = unnamed(self._backend, self._named_inputs, now=now, grace_s=self._grace_s, since=self._inputs_since)
        if found is None:
            return {}
        report.inputs, report.input_bytes = len(found), sum(info.size for info in found)
        return {info.key: info for info in found}

    def _mark(self, candidates: dict[str, ObjectInfo], known: dict[str, Mark], report: GcReport) -> None:
        for key in candidates:
            if key not in known:
                mark(self._backend, key)
                report.marked += 1

    def _unmark(self, candidates: dict[str, ObjectInfo], known: dict[str, Mark], now: float, report: GcReport) -> None:
        for key, given in known.items():
            if key not in candidates:
                unmark(self._backend, key, given, now)
                report.unmarked += given.state == "marked"

    def _delete(self, due: list[ObjectInfo], found: Scan, report: GcReport) -> None:
        for info in due:
            if time.monotonic() - found.begun > LISTING_VALID_S / 2:
                log.info("gc: the listing is too old to delete more; the rest is for the next run")
                return
            if not report.dry_run:
                delete_marked(self._backend, info.key)
            report.deleted += 1
            report.freed_bytes += info.size


def _looked_at(known: dict[str, Mark], report: GcReport) -> dict[str, Mark]:
    """The marks of what was looked at."""
    return {key: given for key, given in known.items() if report.inputs is not None or not key.startswith(INPUTS)}
