"""Ranks of a model of DreamZero's surface that die, write where they should not, or hold the same. Each test starts its
own."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_fabric import StateManager
from arc_fabric.errors import ModelError, ModelUnavailable
from arc_fabric.ranks import launch
from arc_fabric.store import SnapshotStore
from tests.ranks.windowed_toy import BAD, DIES
from tests.ranks.worlds import pictured as world
from tests.sdk.proofs import assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import run
from tests.support.toy_model import ToyModel


def test_a_rank_that_dies_ends_the_model_and_nothing_else(tmp_path: Path) -> None:
    """In the middle of a step: an error that says so; new ranks go on from the last checkpoint."""
    plain = run(world(StateManager(ToyModel())), 3)
    model = launch("tests.ranks.windowed_toy:shard", ["cpu", "cpu"])
    place = on_disk(tmp_path)
    try:
        manager = StateManager(model, store=SnapshotStore(backend_at(place)))
        session = world(manager)
        run(session, 2)
        with pytest.raises(ModelUnavailable, match="gone"):
            session.step(state=[*BAD, DIES])
        manager.store.close()
    finally:
        model.close()
    assert_next_elsewhere(plain[2], place, str(session.head), "tests.ranks.windowed_toy", "launched")


def test_what_another_rank_writes_in_place_is_refused() -> None:
    """By its name, before anything of it is kept."""
    model = launch("tests.ranks.windowed_toy:writing", ["cpu", "cpu"])
    try:
        session = world(StateManager(model))
        session.step()
        with pytest.raises(ModelError, match=r"kv_cache_neg/00.* changed in place"):
            session.step()
        assert session.frame_index == 1
    finally:
        model.close()


def test_each_list_of_caches_belongs_to_one_rank() -> None:
    """Else a snapshot would lack one, or have it twice."""
    with pytest.raises(ModelError, match="crossattn_cache, crossattn_cache_neg, kv_cache1, kv_cache_neg not each"):
        launch("tests.ranks.windowed_toy:both_first", ["cpu", "cpu"])
