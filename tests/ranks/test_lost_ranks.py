"""Ranks that die, cannot be made, or write where they should not; three of them. Each test starts its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from arc_fabric import StateManager
from arc_fabric.errors import ModelError, ModelUnavailable
from arc_fabric.ranks import launch
from arc_fabric.store import SnapshotStore
from tests.ranks.toy import DIES, WRITES, load
from tests.ranks.worlds import world
from tests.sdk.proofs import assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import run


@pytest.mark.parametrize("killed", [False, True])
def test_a_rank_that_dies_ends_the_model_and_nothing_else(killed: bool, tmp_path: Path) -> None:
    """In the middle of a step, or between two: an error that says so, the checkpoints stand, and new ranks go on."""
    place = on_disk(tmp_path)
    plain = run(world(StateManager(load())), 4)
    model = launch("tests.ranks.toy:shard", ["cpu", "cpu"])
    try:
        manager = StateManager(model, store=SnapshotStore(backend_at(place)))
        session = world(manager)
        run(session, 3)
        if killed:
            os.kill(model.processes[0], signal.SIGKILL)
        with pytest.raises(ModelUnavailable, match="gone"):
            session.step(state=None if killed else [1, DIES])
        assert session.frame_index == 3
        with pytest.raises(ModelUnavailable, match="gone"):
            session.step()
        manager.store.close()
    finally:
        model.close()
    assert_next_elsewhere(plain[-1], place, str(session.head), "tests.ranks.toy", "launched")


def test_what_another_rank_writes_in_place_undeclared_is_refused() -> None:
    """By its name, before anything of it is kept."""
    model = launch("tests.ranks.toy:careless", ["cpu", "cpu"])
    try:
        session = world(StateManager(model))
        session.step()
        with pytest.raises(ModelError, match=r"rank1.log changed in place"):
            session.step()
        assert session.frame_index == 1
    finally:
        model.close()


def test_a_rank_that_cannot_be_made_says_why() -> None:
    """What its maker raised; no process is left."""
    with pytest.raises(ModelError, match=r"Making rank 1 .* no weights for this rank"):
        launch("tests.ranks.toy:unmakeable", ["cpu", "cpu"])


def test_three_ranks_and_what_they_hold() -> None:
    """A failure on one frees both others; `export_state` has all parts."""
    model = launch("tests.ranks.toy:shard", ["cpu"] * 3)
    try:
        session = world(StateManager(model))
        session.step()
        with pytest.raises(ModelError, match="Rank 2 failed"):
            session.step(state=[2, WRITES])
        session.step()
        state = model.export_state()
        assert set(state) == set(model.parts) and len(state["rank2.k"]) == 2  # type: ignore[arg-type]
        assert state["rank2.written"] == 8
    finally:
        model.close()
