"""A pinned checkpoint stays in the memory of the worker that the ledger names."""

from __future__ import annotations

from tests.support.waiting import eventually
from tests.workers.conftest import Fleet


def kept_by(fleet: Fleet, checkpoint_id: str) -> list[str]:
    """The workers that say they keep it."""
    return [w.name for w in fleet.ledger.workers.all() if checkpoint_id in w.pinned and w.state != "down"]


def test_pins_follow_the_ledger_and_survive_their_keeper(fleet: Fleet) -> None:
    """Pinned by the owner within moments, by the next worker once the owner was killed, let go when unpinned."""
    fleet.start("gpu.0")
    session = fleet.create()
    head = fleet.step(session).result["head"]
    fleet.ledger.nodes.pin(head)
    eventually(lambda: kept_by(fleet, head) == ["gpu.0"], what="gpu.0 keeps it")
    fleet.start("gpu.1")
    fleet.kill("gpu.0")
    eventually(lambda: kept_by(fleet, head) == ["gpu.1"], what="gpu.1 keeps it")
    fleet.ledger.nodes.unpin(head)
    eventually(lambda: kept_by(fleet, head) == [], what="nobody keeps it")
