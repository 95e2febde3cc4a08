"""Whose KV stays when storage is over its budget: heads, pinned, labelled, bookmarked and lately used checkpoints.

When a checkpoint was last used is read off the tree: it was made, a step or a fork began at it, it is a session's head.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from arc_fabric.ledger import Ledger, NodeRecord, SessionRecord
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend
from arc_fabric.store.upkeep.facts import model_mark
from arc_fabric.store.upkeep.index import Index
from arc_fabric.store.upkeep.scan import scan
from arc_fabric.store.upkeep.thinning import Stock, Thinner, ThinReport

log = logging.getLogger(__name__)
_CHUNK = 500


def keep_to_budget(
    ledger: Ledger, backend: Backend, settings: Settings, index: Index | None = None, *, dry_run: bool = False
) -> ThinReport | None:
    """One pass; None where there is no budget, KV is not kept as it pays, or the model cannot rebuild it.

    Raises StoreUnavailable and Redis errors; may be cut off and repeated.
    """
    if not settings.storage_budget_bytes or settings.snapshot_policy != "auto":
        return None
    card = ledger.model_card.read()
    abilities = card.get("abilities")
    if not isinstance(abilities, dict) or not abilities.get("rebuilds_kv"):
        return None
    stock = Stock(scan(backend, index))
    keep, used = set[str](), dict[str, float]()
    if stock.bytes > settings.storage_budget_bytes:  # else it does not matter whose KV matters
        keep, used = _use(ledger, stock.facts)
        ours = model_mark(card["identity"])
        keep |= {i for i, facts in stock.facts.items() if not facts.deleted and facts.model != ours}
    thinner = Thinner(backend, budget_bytes=settings.storage_budget_bytes, grace_s=settings.gc_grace_s)
    report = thinner.run(stock, keep, used, dry_run=dry_run)
    if report.excess_bytes:
        log.warning("storage is %d bytes over its budget, and all other KV is in use", report.excess_bytes)
    if report.marked or report.dropped:
        log.info("thinned: %d files marked, %d bytes freed", report.marked, report.freed_bytes)
    return report


def _use(ledger: Ledger, ids: Iterable[str]) -> tuple[set[str], dict[str, float]]:
    """The checkpoints whose KV must stay, and when each was last of use."""
    keep: set[str] = set()
    used: dict[str, float] = {}

    def note(checkpoint_id: str | None, when: float) -> None:
        if checkpoint_id is not None:
            used[checkpoint_id] = max(when, used.get(checkpoint_id, 0.0))

    for node in _nodes(ledger, list(ids)):
        note(node.id, node.created)
        note(node.parent, node.created)
        if node.pinned or node.bookmarked or node.label:
            keep.add(node.id)
    for session in _sessions(ledger):
        note(session.head, session.updated)
        note(session.parent_checkpoint, session.created)
        if session.state == "open" and session.head is not None:
            keep.add(session.head)
    for tree_id, row in ledger.resting.rows():
        facts = ledger.resting.facts(tree_id, row)
        keep.update(facts["kept"])
        for head, when in facts["heads"]:
            note(head, when)
    return keep, used


def _nodes(ledger: Ledger, ids: list[str]) -> Iterator[NodeRecord]:
    for start in range(0, len(ids), _CHUNK):
        yield from ledger.nodes.many(ids[start : start + _CHUNK], wake=False)


def _sessions(ledger: Ledger) -> Iterator[SessionRecord]:
    for bulk in (False, True):
        cursor: str | None = None
        while True:
            page = ledger.sessions.page(cursor=cursor, limit=_CHUNK, bulk=bulk, resting=False)
            yield from page.items
            cursor = page.next
            if cursor is None:
                break
