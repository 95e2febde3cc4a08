"""One pass that frees what nobody needs in the object store, the same for the janitor and for `arc-fabric gc`.

In this order: checkpoints that no node names are deleted (orphans.py), what nothing refers to is marked and, after its
grace period, deleted (the store's collector), and old KV beyond the storage budget goes (storage_budget.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.upkeep.collector import Collector, GcReport
from arc_fabric.store.upkeep.thinning import ThinReport
from arc_fabric.upkeep.orphans import Orphans, delete_orphans, find_orphans
from arc_fabric.upkeep.storage_budget import keep_to_budget

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpkeepReport:
    """What one pass found and did; in a dry run what it would do."""

    collected: GcReport
    orphans: Orphans | None
    """Checkpoints that no node names; None without a ledger: they were left alone."""
    budget: ThinReport | None
    """None where there is no budget to keep to."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form: the collector's report with `orphans`, `orphan_bytes` and `budget`."""
        orphans, budget = self.orphans, self.budget
        return self.collected.to_dict() | {
            "orphans": None if orphans is None else len(orphans.manifests),
            "orphan_bytes": 0 if orphans is None else orphans.bytes,
            "budget": None if budget is None else budget.to_dict(),
        }


def collect(ledger: Ledger | None, backend: Backend, settings: Settings, *, dry_run: bool = False) -> UpkeepReport:
    """One pass. Without a ledger only what the store itself says is not needed goes.

    Raises StoreUnavailable and Redis errors; may be cut off and repeated.
    """
    if ledger is None:
        return UpkeepReport(Collector(backend, grace_s=settings.gc_grace_s).run(dry_run=dry_run), None, None)
    since = ledger.inputs.knows_since(storage_time(backend))
    orphans = find_orphans(ledger, backend, settings.gc_grace_s)
    if not dry_run:
        delete_orphans(backend, orphans)
    collector = Collector(backend, grace_s=settings.gc_grace_s, named_inputs=ledger.inputs.named, inputs_since=since)
    collected = collector.run(dry_run=dry_run)
    budget = keep_to_budget(ledger, backend, settings, dry_run=dry_run)
    if orphans.manifests or collected.marked or collected.deleted:
        log.info(
            "collected: %d orphans, %d marked, %d deleted", len(orphans.manifests), collected.marked, collected.deleted
        )
    return UpkeepReport(collected, orphans, budget)
