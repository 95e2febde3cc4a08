"""Pins: a fact of the node, atomic and limited, with one worker to keep each."""

from __future__ import annotations

import pytest

from arc_fabric.errors import CheckpointUnavailable, NodeNotFound, PinLimitReached
from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger, Limits
from tests.ledger.conftest import Hand


def test_pinning_is_a_fact_of_the_node_and_one_event(ledger: Ledger) -> None:
    """The node says it, twice is once, and every change is told."""
    session = Hand.up(ledger, "gpu.0").opened()
    last = ledger.events.last_id()
    for _ in range(2):
        assert ledger.nodes.pin(session.head).pinned
    assert ledger.nodes.pinned() == [session.head]
    for _ in range(2):
        assert not ledger.nodes.unpin(session.head).pinned
    assert ledger.nodes.pinned() == []
    events = ledger.events.read([session.id], last)
    assert [(event.kind, event.data["pinned"]) for event in events] == [("node.updated", True), ("node.updated", False)]


def test_refusals_change_nothing(redis_url: str) -> None:
    """Unknown nodes, lost payloads and one pin too many."""
    ledger = Ledger(redis_url, limits=Limits(max_pinned=1))
    hand = Hand.up(ledger, "gpu.0")
    first, second = hand.opened(), hand.opened()
    with pytest.raises(NodeNotFound):
        ledger.nodes.pin(new_id("ckp"))
    ledger.nodes.pin(first.head)
    with pytest.raises(PinLimitReached) as refused:
        ledger.nodes.pin(second.head)
    assert refused.value.context == {"pinned": [first.head], "limit": 1}
    ledger.nodes.unpin(first.head)
    ledger.nodes.set_durability(second.head, "deleted")
    with pytest.raises(CheckpointUnavailable):
        ledger.nodes.pin(second.head)
    assert ledger.nodes.pinned() == []
    ledger.close()


def test_each_pin_has_one_keeper_and_the_dead_are_replaced(ledger: Ledger) -> None:
    """The session's owner keeps it; after the session is closed its maker; when that is gone another worker."""
    first, second = Hand.up(ledger, "gpu.0"), Hand.up(ledger, "gpu.1")
    session = first.opened()
    owner = ledger.sessions.get(session.id).worker
    ledger.nodes.pin(session.head)

    def keepers() -> list[str]:
        return [name for name in ("gpu.0", "gpu.1") if session.head in ledger.workers.pins_of(name)]

    assert keepers() == [owner]
    ledger.sessions.close(session.id)
    assert keepers() == ["gpu.0"]
    ledger.leases.release(first.name, first.boot)
    assert keepers() == ["gpu.1"]
    ledger.leases.release(second.name, second.boot)
    assert keepers() == []
