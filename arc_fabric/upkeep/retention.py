"""Trees that go by age: untouched for as long as a rule of the setting `retention` says.

A tree with a checkpoint of the tag `kept_tag`, a pinned checkpoint or an open session stays, whatever the rules say.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from arc_fabric import rules
from arc_fabric.errors import Conflict, NotFound
from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings

log = logging.getLogger(__name__)
PASS_S = 30.0
MOST_TOLD = 1000
"""Trees that one pass names; the next pass goes on."""
_SLICE = 500


@dataclass(frozen=True)
class Expired:
    """A tree whose time is over."""

    tree_id: str
    untouched_s: float
    rule: str
    """The rule that says so, as the setting has it."""


def retire(ledger: Ledger, settings: Settings, *, dry_run: bool = False, seconds: float = PASS_S) -> list[Expired]:
    """Delete the trees whose time is over, for a while; those that were, or in a dry run would be."""
    found: list[Expired] = []
    until = time.monotonic() + seconds
    for one in expired(ledger, settings):
        if time.monotonic() > until or len(found) == MOST_TOLD:
            break
        try:
            if not dry_run:
                ledger.erasing.doom(one.tree_id)
                ledger.erasing.erase(one.tree_id, seconds=max(0.0, until - time.monotonic()))
                log.info("tree %s is deleted: untouched for %.0f s (%s)", one.tree_id, one.untouched_s, one.rule)
        except (Conflict, NotFound):  # it is in use, or somebody was faster
            continue
        found.append(one)
    return found


def expired(ledger: Ledger, settings: Settings) -> Iterator[Expired]:
    """Trees whose time is over, in no order; open and pinned ones are left out."""
    by_tag = rules.retention(settings.retention)
    if not by_tag:
        return
    now, in_use = ledger.core.now(), _in_use(ledger)
    latest = now - min(by_tag.values())
    for tree_id, touched, tags in _old(ledger, latest):
        if settings.kept_tag in tags or tree_id in in_use:
            continue
        known = {tag: by_tag[tag] for tag in (*tags, rules.EVERY) if tag in by_tag}
        tag = min(known, key=known.__getitem__, default=None)
        if tag is not None and now - touched > known[tag]:
            yield Expired(tree_id, now - touched, f"{tag}={known[tag]:g}")


def _in_use(ledger: Ledger) -> set[str | None]:
    """Trees with an open session or a pinned checkpoint."""
    found = {node.tree_id for node in ledger.nodes.many(ledger.nodes.pinned(), wake=False)}
    cursor = None
    while True:
        page = ledger.sessions.page("open", cursor, _SLICE)
        found |= {session.tree_id for session in page.items if session.tree_id}
        cursor = page.next
        if cursor is None:
            return {*found}


def _old(ledger: Ledger, latest: float) -> Iterator[tuple[str, float, set[str]]]:
    """Trees untouched since, when that was, and their tags: those that rest, then those that are here."""
    for tree_id, row in ledger.resting.rows():
        if row["updated"] < latest:
            yield tree_id, row["updated"], set(ledger.resting.facts(tree_id, row)["tags"])
    for tree_id, touched in ledger.resting.untouched(latest):
        tags = {
            tag
            for some in ledger.resting.nodes_of(tree_id, _SLICE)
            for node in some
            for tag in json.loads(node.fields.get("tags", "[]")) or ()
        }
        yield tree_id, touched, tags
