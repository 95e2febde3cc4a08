"""A model of DreamZero's surface over two processes with gloo: the bits, the names and the rules of one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager, StepResult, WorldStateSnapshot
from arc_fabric.errors import IdentityMismatch, ModelError
from arc_fabric.ranks import RankedWorldModel, launch
from arc_fabric.store import SnapshotStore
from tests.ranks.windowed_toy import BAD, DRIFTS, FAILS
from tests.ranks.worlds import pictured as world
from tests.sdk.proofs import assert_goes_back, assert_light_is_rebuilt, assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import OTHER, assert_same, run, same_bits
from tests.support.toy_model import HEAD_DIM, HEADS, LAYERS, TOKENS, ToyModel

STEPS = 7
"""A window of four steps, and most of the next."""
BLOCK_BYTES = LAYERS * 2 * 2 * TOKENS * HEADS * HEAD_DIM * 4
"""Keys and values that one branch appends in a step, float32."""


@pytest.fixture(scope="module")
def model() -> Iterator[RankedWorldModel]:
    """Two ranks."""
    made = launch("tests.ranks.windowed_toy:shard", ["cpu", "cpu"])
    assert isinstance(made, RankedWorldModel)
    yield made
    made.close()


@pytest.fixture(scope="module")
def plain() -> list[StepResult]:
    """Both branches in one process."""
    return run(world(StateManager(ToyModel())), STEPS)


def test_a_run_equals_the_model_in_one_process(model: RankedWorldModel, plain: list[StepResult]) -> None:
    """Over a window's end; the snapshot has the names and the bytes of one process's, and rank 1's own `ys`."""
    session, alone = world(StateManager(model)), world(StateManager(ToyModel()))
    for theirs in plain:
        assert_same(session.step(), theirs)
        alone.step()
    ours, one = session.snapshot.held, alone.snapshot.held
    assert set(ours) - set(one) == {"clip_feas.rank1", "ys.rank1"} and set(one) <= set(ours)
    assert all(torch.equal(ours[name], one[name]) for name in one)
    assert len(session.snapshot.kv_cache_neg) == LAYERS and session.snapshot.current_start_frame == 7


def test_forks_rewinds_and_interleaved_worlds(model: RankedWorldModel, plain: list[StepResult]) -> None:
    """At every step across the window's end; another world in between, with another seed."""
    session, other = world(StateManager(model)), None
    manager = session.manager
    other = world(manager, "b", seed=7)
    for theirs in plain:
        assert_same(session.step(), theirs)
        assert not same_bits(other.step(), theirs)
    assert_goes_back(session, plain)


def test_only_what_is_new_leaves_a_rank(model: RankedWorldModel) -> None:
    """Of the branch that rank 1 holds a step sends the block that it appended."""
    session = world(StateManager(model))
    run(session, 3)
    assert model.keeper.gathered_last == BLOCK_BYTES


@pytest.mark.parametrize("mode", ["keep", "recache", "reset"])
def test_prompt_modes(model: RankedWorldModel, mode: str) -> None:
    """A new prompt within a window, with the bits of one process; the language is set on both heads."""
    results = []
    for one in (model, ToyModel()):
        session = world(StateManager(one))
        run(session, 2)
        session.prompt, session.prompt_mode = OTHER, mode  # type: ignore[assignment]
        results.append(run(session, 3))
    for mine, theirs in zip(*results, strict=True):
        assert_same(mine, theirs)


def test_observed_frames_and_given_actions(model: RankedWorldModel) -> None:
    """Encoded by rank 0 and given to both."""
    seen = np.stack([ToyModel.sample_frame(i) for i in range(8)])
    results = []
    for one in (model, ToyModel()):
        session = world(StateManager(one))
        session.step()
        results.append([session.step(observed=seen), session.step(action=np.full((8, 4), 0.5)), session.step()])
    for mine, theirs in zip(*results, strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("changed", [False, True])
def test_light_checkpoints_are_rebuilt_on_both_ranks(model: RankedWorldModel, changed: bool) -> None:
    """Each its own caches, checked against the digests of the original."""
    assert_light_is_rebuilt(model, world, changed=changed)


def test_fresh_processes_go_on_with_the_same_bits(
    model: RankedWorldModel, plain: list[StepResult], tmp_path: Path
) -> None:
    """Two new ranks, through the store's files only; and from one file."""
    place = on_disk(tmp_path)
    manager = StateManager(model, store=SnapshotStore(backend_at(place)))
    session = world(manager)
    head = run(session, 3)[-1].checkpoint_id
    session.save(tmp_path / "file")
    manager.store.close()
    assert_next_elsewhere(plain[3], place, str(head), "tests.ranks.windowed_toy", "launched")
    loaded = WorldStateSnapshot.load(tmp_path / "file")
    assert_same(Session.from_snapshot("b", model, StateManager(model), loaded).step(), plain[3])


@pytest.mark.parametrize("force", [False, True])
def test_another_layout_is_refused(model: RankedWorldModel, force: bool) -> None:
    """A state goes back onto the layout that it was taken from."""
    store = SnapshotStore(None)
    ours = world(StateManager(model, store=store)).step().checkpoint_id
    theirs = world(StateManager(ToyModel(), store=store)).step().checkpoint_id
    with pytest.raises(IdentityMismatch, match=r"over 2 rank\(s\), and this model has 1"):
        StateManager(ToyModel(), store=store).load(str(ours), force)
    with pytest.raises(IdentityMismatch, match=r"over 1 rank\(s\), and this model has 2"):
        StateManager(model, store=store).load(str(theirs), force)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_leaves_no_half_snapshot(model: RankedWorldModel, plain: list[StepResult], rank: int) -> None:
    """With its caches advanced, while the other one waits for it: both are where they were, the retry has the bits."""
    store = SnapshotStore(None)
    session = world(StateManager(model, store=store))
    run(session, 2)
    store.flush()
    stored = {info.key for info in store.backend.list("")}
    with pytest.raises((ModelError, ValueError), match="half-advanced") as caught:
        session.step(state=[0, 0, rank, FAILS])
    assert rank == 0 or "Rank 1 failed" in str(caught.value)
    store.flush()
    assert {info.key for info in store.backend.list("")} == stored and session.frame_index == 2
    assert_same(session.step(), plain[2])


def test_ranks_that_drift_apart_are_refused(model: RankedWorldModel, plain: list[StepResult]) -> None:
    """One that counts otherwise than rank 0 has another state than its snapshot would say."""
    session = world(StateManager(model))
    session.step()
    with pytest.raises(ModelError, match="they were not called together"):
        session.step(state=[*BAD, DRIFTS])
    assert_same(session.step(), plain[1])
