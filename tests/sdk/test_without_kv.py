"""Models without a KV cache are never light; a KV that is not here is not left out of a file without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from arc_fabric import Session, StateManager, WorldStateSnapshot
from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import MemoryBackend
from tests.sdk.worlds import assert_same, new_session, run, uninterrupted
from tests.support.toy_model import ToyModel


class Recurrent(ToyModel):
    """No caches: what it knows is in `ys`, which a call replaces."""

    abilities = replace(ToyModel.abilities, rebuilds_kv=False)

    def _clear_kv(self) -> None:
        self.action_head.kv_cache1 = self.action_head.kv_cache_neg = []
        self.action_head.crossattn_cache = self.action_head.crossattn_cache_neg = []

    def _prefill(self, latents: Tensor, start: int, text: Tensor) -> None:
        self.action_head.ys = self.action_head.ys + latents.mean() + text.float().mean()


def test_a_model_without_kv_is_forked_and_stored() -> None:
    """In memory, and from the store in another manager; with `rebuilds_kv` False."""
    store = SnapshotStore(MemoryBackend())
    manager = StateManager(Recurrent(), store=store, resident_bytes=0)
    session = new_session(manager)
    steps = run(session, 4)
    assert session.snapshot.has_kv
    assert_same(session.fork(steps[1].checkpoint_id).step(), steps[2])
    store.flush(30)
    other = StateManager(Recurrent(), store=SnapshotStore(store.backend))
    assert_same(Session.from_checkpoint("b", other.model, other, steps[2].checkpoint_id).step(), steps[3])


def test_what_an_older_version_stored_of_it_is_read() -> None:
    """Its record does not say that there is no KV; it names none."""
    store = SnapshotStore(MemoryBackend())
    manager = StateManager(Recurrent(), store=store)
    session = new_session(manager)
    session.step()
    snapshot = session.snapshot
    old = {name: value for name, value in snapshot.meta().items() if name != "kv_layers"}
    store.put("ckp_old", snapshot.entries(), old | {"checkpoint_id": "ckp_old"})
    store.flush(30)
    other = StateManager(Recurrent(), store=SnapshotStore(store.backend))
    assert_same(Session.from_checkpoint("b", other.model, other, "ckp_old").step(), session.step())


def test_a_parked_session_is_not_saved_without_its_kv(tmp_path: Path) -> None:
    """The snapshot says what is missing; the session brings it back; light files are asked for."""
    manager = StateManager(ToyModel(), resident_bytes=0)
    parked = new_session(manager, "parked")
    run(parked, 2)
    new_session(manager, "other", seed=3).step()
    assert not parked.snapshot.has_kv
    with pytest.raises(CheckpointUnavailable, match="not in memory"):
        parked.snapshot.save(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    parked.snapshot.save(tmp_path / "light", light=True)
    parked.save(tmp_path / "whole")
    for name, whole in (("light", False), ("whole", True)):
        loaded = WorldStateSnapshot.load(tmp_path / name)
        assert loaded.has_kv == whole
        fresh = StateManager(ToyModel())
        assert_same(Session.from_snapshot("again", fresh.model, fresh, loaded).step(), uninterrupted(3)[-1])


def test_more_than_a_hundred_layers_keep_their_order() -> None:
    """By number, not by name."""
    layers = [torch.full((2, 1, 1, 1, 1), float(i)) for i in range(103)]
    made = WorldStateSnapshot("ckp_a", "ses", kv_cache=layers, kv_layers=103)
    again = WorldStateSnapshot.from_entries(dict(sorted(made.tensors().items())), made.meta())
    assert [int(layer.max()) for layer in again.kv_cache] == list(range(103))
