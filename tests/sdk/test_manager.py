"""The state manager: what is saved, what is shared, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arc_fabric import Session, StateManager
from arc_fabric.errors import CheckpointUnavailable, IdentityMismatch, KVRebuildMismatch
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import DiskBackend, MemoryBackend
from tests.sdk.proofs import assert_next_elsewhere, on_disk
from tests.sdk.worlds import OTHER, PROMPT, assert_same, new_session, run, uninterrupted
from tests.support.toy_model import InjectedFaultError, ToyModel


def test_extracting_shares_tensors_and_copies_lists(manager: StateManager, session: Session) -> None:
    """A checkpoint on the step path copies no KV; the model's lists may be mutated afterwards."""
    run(session, 2)
    head, snapshot = manager.model.action_head, manager.extract_state()
    assert snapshot.kv_cache is not head.kv_cache1
    assert all(mine is its for mine, its in zip(snapshot.kv_cache, head.kv_cache1, strict=True))
    assert snapshot.language is not head.language
    assert (snapshot.current_start_frame, snapshot.seed) == (5, 1140)


def test_a_part_of_a_larger_tensor_is_cloned(manager: StateManager, session: Session) -> None:
    """So that a snapshot does not keep the larger one alive."""
    session.step()
    head = manager.model.action_head
    large = torch.zeros(100, *head.ys.shape[1:])
    head.ys = large[:1]
    assert manager.extract_state().ys.untyped_storage().nbytes() == head.ys.nbytes


def test_restoring_bypasses_the_automatic_reset(manager: StateManager, session: Session) -> None:
    """The next call by hand continues the window: it returns K latents, not 1 + K."""
    run(session, 2)
    snapshot = session.snapshot
    manager.clear()
    manager.restore_state(snapshot)
    model = manager.model
    inputs = model.make_inputs(snapshot.frames.numpy()[-4:], PROMPT)
    latents = snapshot.latent_video[:, -2:].transpose(1, 2)
    assert model.lazy_joint_video_action_causal(inputs, latents)["video_pred"].shape[2] == 2


def test_restore_by_id_puts_the_state_into_the_head(manager: StateManager, session: Session) -> None:
    """`restore` returns the snapshot that the head then holds."""
    ids = [step.checkpoint_id for step in run(session, 3)]
    snapshot = manager.restore(ids[1])
    assert snapshot.frame_index == 2
    assert all(map(torch.equal, manager.model.action_head.kv_cache1, snapshot.kv_cache))
    assert manager.model.action_head.current_start_frame == 5


def test_a_worlds_seed_is_not_the_next_worlds_default(model: ToyModel) -> None:
    """Steps, forks, a failed call and what it leaves: whoever manages the model next begins with the model's own seed.
    Who restores by hand has the seed of what was restored."""
    first = StateManager(model)
    session = new_session(first, seed=42)
    steps = run(session, 2)
    session.fork(steps[0].checkpoint_id, seed=7).step()
    session.step()
    model.fault = "denoise"
    with pytest.raises(InjectedFaultError):
        session.step()
    assert StateManager(model).default_seed == 1140
    assert_same(new_session(StateManager(model)).step(), uninterrupted(1)[0])
    first.restore(steps[1].checkpoint_id)
    assert model.action_head.seed == 42


def test_listing_and_deleting(manager: StateManager, session: Session) -> None:
    """A deleted checkpoint is unavailable; its children are not touched."""
    ids = [session.head] + [step.checkpoint_id for step in run(session, 3)]
    new_session(manager, "other")
    infos = manager.list_checkpoints("ses")
    assert [info.checkpoint_id for info in infos] == ids
    assert [info.parent_checkpoint_id for info in infos] == [None, *ids[:-1]]
    assert infos[2].to_dict()["frame_index"] == 2
    assert len(manager.list_checkpoints()) == 5
    manager.delete_checkpoint(ids[2])
    assert len(manager.list_checkpoints("ses")) == 3
    with pytest.raises(CheckpointUnavailable):
        manager.load(ids[2])
    fresh = Session.from_checkpoint("again", manager.model, manager, ids[3])
    assert_same(fresh.step(), uninterrupted(4)[-1])


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 6])
def test_evicted_checkpoints_come_back_from_the_store(model: ToyModel, at: int) -> None:
    """With nothing kept in memory, a restore reads the store and has the same bits."""
    manager = StateManager(model, resident_bytes=0)
    session = new_session(manager)
    ids = [session.head] + [step.checkpoint_id for step in run(session, 7)]
    assert not manager.is_resident(ids[at])
    fork = Session.from_checkpoint("fork", model, manager, ids[at])
    for mine, theirs in zip(run(fork, 8 - at), uninterrupted(8)[at:], strict=True):
        assert_same(mine, theirs)


def test_only_the_head_keeps_a_kv_when_memory_is_short(model: ToyModel) -> None:
    """Sessions that wait let their KV go and have the same bits when they are stepped again, also after a failure."""
    manager = StateManager(model, resident_bytes=0)
    sessions = [new_session(manager, f"ses{i}", seed=i) for i in range(3)]
    alone = [uninterrupted(6, seed=i) for i in range(3)]
    for turn in range(6):
        for number, one in enumerate(sessions):
            if turn == 2:
                model.fault = "denoise"
                with pytest.raises(InjectedFaultError):
                    one.step()
            assert_same(one.step(), alone[number][turn])
            assert [other.snapshot.has_kv for other in sessions] == [other is one for other in sessions]


def test_a_session_that_is_over_keeps_nothing_at_hand(model: ToyModel) -> None:
    """Its checkpoints come from the store, with the same bits; those of its parent stay where they are."""
    manager = StateManager(model)
    trunk = new_session(manager)
    ids = [step.checkpoint_id for step in run(trunk, 3)]
    fork = trunk.fork(ids[1], seed=8)
    made = run(fork, 3)
    head, name = made[1].checkpoint_id, fork.session_id
    expected = made[2]
    del fork, made
    manager.let_go_of(name)
    assert not manager.is_resident(head)
    assert manager.is_resident(ids[1])
    assert_same(Session.from_checkpoint("again", model, manager, head).step(), expected)


def test_max_checkpoints_bounds_what_is_kept_in_memory(model: ToyModel) -> None:
    """The latest are kept; the others are in the store."""
    manager = StateManager(model, max_checkpoints=3)
    session = new_session(manager)
    ids = [step.checkpoint_id for step in run(session, 6)]
    assert [manager.is_resident(i) for i in ids] == [False] * 3 + [True] * 3
    assert len(manager.list_checkpoints()) == 7


def light_world(changed: bool = False) -> tuple[MemoryBackend, list]:
    """Five steps stored without KV, and their results."""
    store = SnapshotStore(MemoryBackend(), policy="light")
    session = new_session(StateManager(ToyModel(), store=store))
    steps = run(session, 1)
    session.prompt = OTHER if changed else PROMPT
    steps += run(session, 4)
    store.close()
    return store.backend, steps


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_light_snapshot_is_rebuilt_with_the_same_bits(model: ToyModel, changed: bool, at: int) -> None:
    """Also when the prompt changed within the window."""
    backend, steps = light_world(changed)
    manager = StateManager(model, store=SnapshotStore(backend))
    fork = Session.from_checkpoint("fork", model, manager, steps[at - 1].checkpoint_id)
    assert not fork.snapshot.has_kv
    fork.prompt = OTHER if changed else PROMPT
    for mine, theirs in zip(run(fork, 5 - at), steps[at:], strict=True):
        assert_same(mine, theirs)
    manager.store.close()


def test_a_rebuild_that_differs_is_an_error(model: ToyModel) -> None:
    """It is checked against what the store recorded; the session can be stepped once the cause is gone."""
    backend, steps = light_world()
    manager = StateManager(model, store=SnapshotStore(backend))
    fork = Session.from_checkpoint("fork", model, manager, steps[1].checkpoint_id)
    model._weights["qkv1"] = model._weights["qkv1"] + 1e-3
    with pytest.raises(KVRebuildMismatch, match="kv_cache1/01"):
        fork.step()
    model._weights = ToyModel()._weights
    assert_same(fork.step(), steps[2])
    manager.store.close()


def test_a_model_that_cannot_rebuild_says_so(model: ToyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is touched; a full window needs no KV and goes on."""
    backend, steps = light_world()
    monkeypatch.setattr(ToyModel, "abilities", replace(ToyModel.abilities, rebuilds_kv=False))
    manager = StateManager(model, store=SnapshotStore(backend))
    with pytest.raises(CheckpointUnavailable, match="cannot rebuild"):
        Session.from_checkpoint("a", model, manager, steps[1].checkpoint_id).step()
    assert_same(Session.from_checkpoint("b", model, manager, steps[3].checkpoint_id).step(), steps[4])
    manager.store.close()


def test_another_model_is_refused_unless_forced() -> None:
    """The error names what differs."""
    store = SnapshotStore(MemoryBackend())
    session = new_session(StateManager(ToyModel(), store=store))
    run(session, 2)
    store.flush()
    other = StateManager(ToyModel(weights_seed=1), store=store)
    with pytest.raises(IdentityMismatch, match="weights_digest"):
        other.restore(session.head)
    assert other.restore(session.head, force=True).frame_index == 2
    with pytest.raises(IdentityMismatch):
        other.restore(session.head)
    store.close()


@pytest.mark.parametrize("policy", ["full", "light"])
@pytest.mark.parametrize("steps", [2, 4])
def test_a_fresh_process_continues_with_the_same_bits(tmp_path: Path, policy: str, steps: int) -> None:
    """Through files only."""
    store = SnapshotStore(DiskBackend(tmp_path), policy=policy)
    session = new_session(StateManager(ToyModel(), store=store))
    head = run(session, steps)[-1].checkpoint_id
    expected = session.step()
    store.close()
    assert_next_elsewhere(expected, on_disk(tmp_path), head, "tests.support.toy_model", "ToyModel")
