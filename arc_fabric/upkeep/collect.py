"""One pass that frees what nobody needs in the object store, the same for the janitor and for `arc-fabric gc`.

Everything is looked at once. Then checkpoints that no node names are deleted (orphans.py), what nothing refers to is
marked and, after its grace period, deleted (the store's collector), and old KV beyond the storage budget goes
(storage_budget.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from arc_fabric.ledger import Ledger
from arc_fabric.resting.leftover import collect_leftover
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend, signs
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.upkeep.collector import Collector, GcReport
from arc_fabric.store.upkeep.index import Index
from arc_fabric.store.upkeep.scan import scan
from arc_fabric.store.upkeep.thinning import ThinReport
from arc_fabric.upkeep.orphans import Orphans
from arc_fabric.upkeep.retention import Expired, retire
from arc_fabric.upkeep.storage_budget import keep_to_budget
from arc_fabric.upkeep.unwanted import drop_unwanted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpkeepReport:
    """What one pass found and did; in a dry run what it would do."""

    collected: GcReport
    orphans: Mapping[str, int] | None
    """Checkpoints that no node names, and their bytes; None without a ledger: they were left alone."""
    budget: ThinReport | None
    """None where there is no budget to keep to."""
    leftover: tuple[int, int] = (0, 0)
    """Objects of trees that rest no more, and their bytes."""
    expired: Sequence[Expired] = ()
    """Trees that the rules of retention deleted, or would."""
    others: Mapping[str, float] = field(default_factory=dict)
    """Other ledgers that stored here, and until when (by the storage's clock) what was stored may be theirs: it is left
    alone. KV goes to no budget while one of them still does."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: the collector's, and orphans, orphan_bytes, budget, leftover, leftover_bytes, expired, others."""
        return self.collected.to_dict() | {
            "orphans": None if self.orphans is None else len(self.orphans),
            "orphan_bytes": sum((self.orphans or {}).values()),
            "budget": None if self.budget is None else self.budget.to_dict(),
            "expired": [asdict(one) for one in self.expired],
            "others": dict(self.others),
            "leftover": self.leftover[0],
            "leftover_bytes": self.leftover[1],
        }

    def in_short(self) -> dict[str, Any]:
        """JSON-safe and small: what may go now, and what will once its grace period is over."""
        found, budget = self.collected, self.budget
        return {
            "objects": found.deleted, "bytes": found.freed_bytes,
            "waiting_objects": found.candidates - found.deleted,
            "waiting_bytes": found.candidate_bytes - found.freed_bytes,
            "orphans": len(self.orphans or ()), "orphan_bytes": sum((self.orphans or {}).values()),
            "inputs": found.inputs or 0, "input_bytes": found.input_bytes,
            "clips": found.clips, "clip_bytes": found.clip_bytes,
            "leftover": self.leftover[0], "leftover_bytes": self.leftover[1],
            "expired_trees": len(self.expired), "unreadable": len(found.unreadable),
            "budget_bytes": budget and budget.budget_bytes, "stored_bytes": budget and budget.stored_bytes,
            "kv_checkpoints": len(budget.chosen) if budget else 0, "kv_bytes": budget.chosen_bytes if budget else 0,
            "seconds": found.seconds,
        }  # fmt: skip


def collect(
    ledger: Ledger | None, backend: Backend, settings: Settings, *, dry_run: bool = False, index: Index | None = None
) -> UpkeepReport:
    """One pass. Without a ledger only what the store itself says is not needed goes. An index that is kept from one
    pass to the next saves reading it.

    Raises StoreUnavailable and Redis errors; may be cut off and repeated.
    """
    index, grace_s, kept_s = index or Index(backend), settings.gc_grace_s, settings.clips_kept_s
    if ledger is None:
        collector = Collector(backend, grace_s=grace_s, clips_kept_s=kept_s, index=index)
        return UpkeepReport(collector.run(dry_run=dry_run), None, None)
    gone = retire(ledger, settings, dry_run=dry_run)
    if not dry_run:
        drop_unwanted(ledger, backend)
    others, now = _others(ledger, backend), storage_time(backend)
    since = max([ledger.inputs.knows_since(now), *others.values()])
    collector = Collector(
        backend, grace_s=grace_s, named_inputs=ledger.inputs.named, inputs_since=since, clips_kept_s=kept_s
    )
    collector.begin()
    orphans = Orphans(ledger, backend, grace_s, since=since)
    for stored in scan(backend, index):
        collector.look(stored)
        orphans.look(stored)
    strangers = orphans.find()
    if not dry_run:
        orphans.delete()
    collected = collector.act(dry_run=dry_run)
    alone = all(until < now for until in others.values())
    budget = keep_to_budget(ledger, backend, settings, index, dry_run=dry_run) if alone else None
    leftover = collect_leftover(ledger, backend, grace_s, since=since, dry_run=dry_run)
    if strangers or collected.marked or collected.deleted:
        log.info("collected: %d orphans, %d marked, %d deleted", len(strangers), collected.marked, collected.deleted)
    return UpkeepReport(collected, strangers, budget, leftover, gone, others)


def _others(ledger: Ledger, backend: Backend) -> dict[str, float]:
    """Ledgers that store here beside this one, and until when; this one signs first."""
    mine = ledger.inputs.ledger_id()
    signs.sign(backend, mine)
    return signs.others(backend, mine)
