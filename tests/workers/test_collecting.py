"""The media worker's collecting, on a real store and ledger."""

from __future__ import annotations

import torch

from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import backend_from_settings
from tests.ledger.conftest import Hand
from workers.collecting import bury_orphans


def test_only_old_payloads_without_a_node_are_buried(settings: Settings) -> None:
    """A committed checkpoint stays, an uncommitted one goes once it is old enough."""
    ledger = Ledger(settings.redis_url)
    committed = Hand.up(ledger, "gpu.0").opened().head
    backend, orphan = backend_from_settings(settings), new_id("ckp")
    store = SnapshotStore(backend)
    for checkpoint_id in (committed, orphan):
        entry = TensorEntry("latent_video", torch.ones(1, 2, 3), axis=None, unit=1)
        store.put(checkpoint_id, [entry], {}, attachments={"frames.png": b"png"})
    store.flush(30)
    assert bury_orphans(ledger, backend, grace_s=3600) == 0
    assert bury_orphans(ledger, backend, grace_s=-5) == 1
    store.close()
    fresh = SnapshotStore(backend)
    assert (fresh.durability(committed), fresh.durability(orphan)) == ("durable", "absent")
    assert not backend.exists(f"checkpoints/{orphan}/frames.png")
    assert bury_orphans(ledger, backend, grace_s=-5) == 0
    fresh.close()
