"""A session steps, rewinds and forks with the bits of an uninterrupted run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager, TrajectoryTree, trajectory
from arc_fabric.errors import (
    CheckpointUnavailable,
    FrameNotFound,
    InvalidRequest,
    ModelOutOfMemory,
    NonFiniteLatents,
    RewindBeyondRoot,
)
from arc_fabric.kv import rebuild_kv
from tests.sdk.worlds import OTHER, PROMPT, assert_same, new_session, run, same_bits, uninterrupted
from tests.support.toy_model import InjectedFaultError, ToyModel

STEPS = 10
"""Two windows of four steps and half of a third."""


def test_checkpoints_do_not_change_a_run(session: Session) -> None:
    """A run with a checkpoint at every step has the bits of a plain loop over the model."""
    for mine, plain in zip(run(session, STEPS), _plain_loop(STEPS), strict=True):
        assert torch.equal(mine.step_latents[0].transpose(0, 1), plain)


def _plain_loop(steps: int) -> list[torch.Tensor]:
    """The model driven by hand, as its contract says."""
    model = ToyModel()
    image, latents, video, found = model.sample_frame()[None], None, None, []
    for i in range(steps):
        inputs = model.make_inputs(image, PROMPT)
        video = model.lazy_joint_video_action_causal(inputs, None if i % 4 == 0 else video)["video_pred"]
        latents = video if i % 4 == 0 else torch.cat([latents, video], 2)
        frames = model.decode(latents, start=latents.shape[2] - 2)
        image = frames[-1:] if i % 4 == 3 else frames[-4:]
        found.append(video[0, :, -2:])
    return found


@pytest.mark.parametrize("at", range(STEPS))
def test_a_fork_anywhere_continues_with_the_same_bits(manager: StateManager, session: Session, at: int) -> None:
    """Also from the root, within a window and across its end."""
    expected = run(session, STEPS)
    ids = [session.trajectory.checkpoint_at(i) for i in range(STEPS)]
    fork = Session.from_checkpoint("fork", manager.model, manager, ids[at])
    for mine, theirs in zip(run(fork, STEPS - at), expected[at:], strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("n_steps", [1, 3, 6, STEPS])
def test_a_rewind_then_the_same_steps_give_the_same_bits(session: Session, n_steps: int) -> None:
    """Rewinding returns the checkpoint at that step, and loses none."""
    expected = run(session, STEPS)
    ids = [session.trajectory.checkpoint_at(i) for i in range(STEPS + 1)]
    assert session.rewind(n_steps) == ids[STEPS - n_steps] == session.head
    assert session.frame_index == STEPS - n_steps
    for mine, theirs in zip(run(session, n_steps), expected[STEPS - n_steps :], strict=True):
        assert_same(mine, theirs)
    assert len(session.manager.list_checkpoints("ses")) == STEPS + 1 + n_steps
    assert session.head not in ids


def test_interleaved_sessions_do_not_disturb_each_other(manager: StateManager) -> None:
    """Three sessions of one head take turns; each has the bits of running alone."""
    options = [{"seed": 1}, {"seed": 2}, {"prompt": OTHER, "seed": 1}]
    alone = [uninterrupted(STEPS, **option) for option in options]
    together = [new_session(manager, f"ses{i}", **option) for i, option in enumerate(options)]
    for turn in range(STEPS):
        for number, one in enumerate(together):
            assert_same(one.step(), alone[number][turn])
    assert not same_bits(alone[0][-1], alone[1][-1])
    assert not same_bits(alone[0][-1], alone[2][-1])


def test_stepping_one_session_restores_nothing(manager: StateManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is touched only when another session's state is wanted."""
    restored = []
    original = StateManager.restore_state
    monkeypatch.setattr(StateManager, "restore_state", lambda m, s: (restored.append(s), original(m, s)))
    a, b = new_session(manager, "a"), new_session(manager, "b")
    run(a, 3)
    assert restored == []
    b.step()
    a.step()
    assert len(restored) == 1


def test_a_snapshot_survives_whatever_the_model_does_next(session: Session) -> None:
    """No tensor or list of a snapshot changes while the session goes on."""
    session.step()
    session.step()
    snapshot = session.snapshot
    before = {name: tensor.clone() for name, tensor in snapshot.tensors().items()}
    run(session, 5)
    after = snapshot.tensors()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("fault", ["prefill", "denoise", "nan"])
@pytest.mark.parametrize("after_steps", [0, 2, 4])
def test_a_failed_step_leaves_the_session_at_its_last_state(
    manager: StateManager, session: Session, fault: str, after_steps: int
) -> None:
    """Whatever the call had done to the KV, the retry has the bits of a run without the failure."""
    expected = uninterrupted(STEPS)
    run(session, after_steps)
    head = session.head
    manager.model.fault = fault
    with pytest.raises(NonFiniteLatents if fault == "nan" else InjectedFaultError):
        session.step()
    assert (session.head, session.frame_index) == (head, after_steps)
    assert manager.model.action_head.current_start_frame == session.snapshot.current_start_frame
    for mine, theirs in zip(run(session, STEPS - after_steps), expected[after_steps:], strict=True):
        assert_same(mine, theirs)


def test_out_of_memory_is_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is full is ModelOutOfMemory, and the session stays where it was."""

    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    session.step()
    monkeypatch.setattr(session.model, "_denoise", full)
    with pytest.raises(ModelOutOfMemory):
        session.step()
    monkeypatch.undo()
    assert_same(session.step(), uninterrupted(2)[-1])


def test_seed_and_prompt_apply_from_the_next_step(session: Session) -> None:
    """Setting them between steps changes the future only."""
    plain = uninterrupted(3)
    session.step()
    session.seed = 5
    second = session.step()
    assert not same_bits(second, plain[1])
    session.seed = session.manager.default_seed
    session.prompt = OTHER
    assert session.step().prompt_mode == "keep"
    assert (session.snapshot.prompt_text, session.snapshot.seed) == (OTHER, session.seed)


def test_prompt_modes_differ_and_are_recorded(session: Session) -> None:
    """keep, recache and reset give three futures; each is reproducible, and a window's start needs no mode."""
    run(session, 2)
    source = session.head
    futures = {}
    for mode in ("keep", "recache", "reset"):
        fork = session.fork(source, prompt=OTHER, prompt_mode=mode)
        futures[mode] = run(fork, 4)
        assert [step.prompt_mode for step in futures[mode]] == [mode, None, None, None]
        assert fork.snapshot.window_start == (2 if mode == "reset" else 4)
        again = run(session.fork(source, prompt=OTHER, prompt_mode=mode), 4)
        for mine, theirs in zip(futures[mode], again, strict=True):
            assert_same(mine, theirs)
    assert not same_bits(futures["keep"][0], futures["recache"][0])
    assert not same_bits(futures["keep"][0], futures["reset"][0])
    run(session, 2)
    assert session.fork(prompt=OTHER, prompt_mode="recache").step().prompt_mode is None


def test_recache_is_as_if_the_window_had_the_new_prompt_in_its_kv(session: Session) -> None:
    """After recache, the KV equals a rebuild of the whole window under the new prompt."""
    run(session, 3)
    fork = session.fork(prompt=OTHER, prompt_mode="recache")
    fork.step()
    snapshot = fork.snapshot
    fork.manager.restore_state(snapshot)
    rebuild_kv(fork.model, snapshot, [OTHER] * 4)
    assert all(map(torch.equal, fork.model.action_head.kv_cache1, snapshot.kv_cache))


def test_given_actions_steer_and_are_recorded(session: Session) -> None:
    """An action changes the world; the result says whether it was given or predicted."""
    plain = uninterrupted(2)
    session.step()
    fork = session.fork()
    given = fork.step(action=np.full((8, 4), 0.5))
    assert not same_bits(given, plain[1])
    assert (given.action_source, given.steered) == ("given", True)
    assert (given.actions == 0.5).all()
    assert_same(session.fork(session.head).step(action=[0.5] * 4), given)
    predicted = session.step()
    assert (predicted.action_source, predicted.steered) == ("predicted", False)
    assert session.snapshot.action_history.shape == (2, 8, 4)


def test_the_state_at_the_start_conditions_the_first_step(manager: StateManager) -> None:
    """`state` of the constructor and of step 1 are the same thing."""
    with_state = new_session(manager, "a", state=[0.5, 0, 0, 1]).step()
    assert_same(with_state, new_session(manager, "b").step(state=[0.5, 0, 0, 1]))
    assert not same_bits(with_state, new_session(manager, "c").step())


def test_frames_and_video_of_the_lineage(session: Session) -> None:
    """Frame 0 is the initial frame; later frames are those of the steps; also after a fork and a rewind."""
    steps = run(session, 3)
    video = np.concatenate([ToyModel.sample_frame()[None]] + [step.frames for step in steps])
    assert np.array_equal(session.get_trajectory_video(), video)
    assert np.array_equal(session.get_decoded_frame(9), steps[1].frames[0])
    fork = session.fork(steps[1].checkpoint_id)
    assert np.array_equal(fork.get_trajectory_video(), video[:17])
    session.rewind(2)
    assert np.array_equal(session.get_trajectory_video(), video[:9])
    for wrong in (-1, 9):
        with pytest.raises(FrameNotFound):
            session.get_decoded_frame(wrong)


def test_old_frames_are_read_from_the_store(session: Session) -> None:
    """A long session keeps few frames in memory and still gives them all."""
    steps = run(session, 40)
    assert sum(step.frames is not None for step in session.trajectory._steps.values()) <= 33
    assert np.array_equal(session.get_decoded_frame(1), steps[0].frames[0])
    assert len(session.get_trajectory_video()) == 1 + 40 * 8


def test_of_a_long_line_only_the_latest_steps_are_remembered(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a session knows of its lineage is bounded; older steps are found by walking up through the store."""
    monkeypatch.setattr(trajectory, "KNOWN_STEPS", 6)
    heads = [session.head, *(session.step().checkpoint_id for _ in range(20))]
    assert len(session.trajectory._steps) == 6
    first = session.manager.load_step(heads[3]).frames.numpy()
    assert np.array_equal(session.get_decoded_frame(1 + 2 * 8), first[0])
    assert session.rewind(18) == heads[2]
    assert session.step().frame_index == 3


def test_steps_without_checkpoint_cannot_be_rewound_to(session: Session) -> None:
    """The error says so; a later checkpoint works and has the last checkpoint as its parent."""
    root = session.head
    run(session, 2, auto_checkpoint=False)
    assert session.head is None
    head = session.checkpoint()
    assert session.snapshot.parent_checkpoint_id == root
    with pytest.raises(CheckpointUnavailable, match="without a checkpoint"):
        session.rewind(1)
    assert (session.head, session.rewind(2)) == (head, root)


def test_a_rewind_beyond_the_root_is_refused(session: Session) -> None:
    """So are zero and negative numbers; nothing changes."""
    run(session, 2)
    with pytest.raises(RewindBeyondRoot):
        session.rewind(3)
    for wrong in (0, -1, 1.5):
        with pytest.raises(InvalidRequest):
            session.rewind(wrong)
    assert session.frame_index == 2


@pytest.mark.parametrize(
    "options",
    [{"action": np.zeros((3, 3))}, {"action": np.full((8, 4), np.nan)}, {"action": "left"}, {"state": [1.0]}],
)
def test_bad_input_is_refused_before_the_model_runs(session: Session, options: dict) -> None:
    """The model is not called."""
    with pytest.raises(InvalidRequest):
        session.step(**options)
    assert session.model.calls == 0


def test_bad_prompts_modes_and_managers_are_refused(manager: StateManager, session: Session) -> None:
    """Each with InvalidRequest."""
    with pytest.raises(InvalidRequest):
        new_session(manager, prompt=7)
    with pytest.raises(InvalidRequest):
        session.fork(prompt_mode="forget")
    with pytest.raises(InvalidRequest):
        Session("x", ToyModel(), manager, PROMPT, ToyModel.sample_frame())


def test_to_dict_is_json(session: Session) -> None:
    """And names the head."""
    session.step()
    facts = json.loads(json.dumps(session.to_dict()))
    assert (facts["head"], facts["frame_index"], facts["n_frames"]) == (session.head, 1, 9)


def test_a_tree_gets_a_node_per_checkpoint(model: ToyModel) -> None:
    """Forks and rewinds branch it; a failed step adds nothing."""
    tree = TrajectoryTree()
    manager = StateManager(model, tree=tree)
    trunk = new_session(manager)
    steps = run(trunk, 3)
    fork = trunk.fork(steps[0].checkpoint_id)
    fork.step(metadata={"note": "second"})
    trunk.rewind(1)
    trunk.step()
    assert [node.frame_index for node in tree.get_lineage(fork.head)] == [0, 1, 2]
    assert len(tree.get_children(steps[1].checkpoint_id)) == 2
    assert tree.get_node(fork.head).metadata == {"note": "second"}
    json.dumps(tree.to_dict(), allow_nan=False)


def test_observed_frames_take_the_place_of_imagined_ones(session: Session) -> None:
    """Closed loop: the next block depends on what was seen, and a replay with the same frames has the same bits."""
    seen = np.stack([ToyModel.sample_frame(i) for i in range(8)])
    session.step()
    source = session.head
    closed = [session.step(observed=seen), session.step()]
    replay = session.fork(source)
    assert_same(replay.step(observed=seen), closed[0])
    assert_same(replay.step(), closed[1])
    assert not same_bits(closed[0], session.fork(source).step())
    assert np.array_equal(session.manager.load(closed[0].checkpoint_id).observed.numpy(), seen)


def test_a_new_window_is_anchored_on_what_was_observed(session: Session) -> None:
    """At a window's end the last real frame is the anchor."""
    run(session, 4)
    seen = np.stack([ToyModel.sample_frame(i) for i in range(8)])
    fork = session.fork()
    assert not same_bits(fork.step(observed=seen), session.step())
