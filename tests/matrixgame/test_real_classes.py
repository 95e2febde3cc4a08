"""The SDK on the real classes of Matrix-Game 2 at toy size on the CPU.

    ARC_FABRIC_MATRIXGAME_SRC=<checkout>/Matrix-Game-2 pytest tests/matrixgame

in an environment with diffusers, einops and what else the checkout imports (docs/how-to/matrix-game.md). Elsewhere
these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager
from arc_fabric.errors import IdentityMismatch, InvalidRequest
from arc_fabric.store import SnapshotStore
from tests.sdk.proofs import assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import OTHER, PROMPT, assert_same, same_bits

if not os.environ.get("ARC_FABRIC_MATRIXGAME_SRC"):
    pytest.skip(
        "NOT TESTED ON MATRIX-GAME 2: set ARC_FABRIC_MATRIXGAME_SRC to the folder Matrix-Game-2 of a checkout of "
        "github.com/SkyworkAI/Matrix-Game",
        allow_module_level=True,
    )

from tests.matrixgame.models import ToyMatrixGame, actions, picture, toy_matrixgame, upstream

STEPS = 5
"""A window of six frames rolls in the third step of three, one of four in the second."""


@pytest.fixture(scope="module", params=["universal", "gta_drive", "templerun"])
def mode(request: pytest.FixtureRequest) -> str:
    """Which keys, and whether there is a mouse."""
    return request.param


@pytest.fixture(scope="module")
def model(mode: str) -> ToyMatrixGame:
    """One model for all tests of a mode."""
    return toy_matrixgame(mode)


def world(manager: StateManager, name: str = "trunk", **more: object) -> Session:
    """A world on a picture."""
    return Session(name, manager.model, manager, PROMPT, picture(), **{"seed": 3} | more)  # type: ignore[arg-type]


def go_on(session: Session, **more: object):
    """A step with the actions of its number."""
    return session.step(actions(session.model.mode, session.frame_index), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trunk(model: ToyMatrixGame) -> tuple[StateManager, Session, list]:
    """Five steps, every one a checkpoint."""
    manager = StateManager(model)
    session = world(manager)
    return manager, session, [go_on(session) for _ in range(STEPS)]


def test_a_run_equals_the_pipelines_own_loop(mode: str, trunk: tuple) -> None:
    """Latents and video, across the point where the window rolls; frame 0 is shown four times."""
    latents, video = upstream(mode, 3, STEPS)
    steps = trunk[2]
    assert torch.equal(torch.cat([step.step_latents for step in steps], 1), latents)
    assert np.array_equal(np.concatenate([step.frames for step in steps])[3:], video)
    assert latents.float().std() > 0.1 and video.std() > 1


def test_a_fork_at_every_step_continues_with_the_same_bits(trunk: tuple) -> None:
    """From the root on, before, where and after the window rolls."""
    _, session, steps = trunk
    for at in range(STEPS):
        fork = session.fork(session.trajectory.checkpoint_at(at))
        assert_same(go_on(fork, auto_checkpoint=False), steps[at])


def test_a_rewind_and_interleaved_worlds(model: ToyMatrixGame, trunk: tuple) -> None:
    """Back to before the window was full; another world, with another picture, in between."""
    manager = StateManager(model)
    a, b = world(manager, "a"), Session("b", model, manager, PROMPT, picture(1), seed=3)
    for theirs in trunk[2][:3]:
        assert_same(go_on(a), theirs)
        assert not same_bits(go_on(b), theirs)
    a.rewind(2)
    for theirs in trunk[2][1:3]:
        assert_same(go_on(a), theirs)


def test_actions_steer(trunk: tuple) -> None:
    """Those given; none is rest. What was recorded is what was given."""
    _, session, steps = trunk
    at = steps[2].checkpoint_id
    still = session.fork(at).step()
    assert not same_bits(still, steps[3]) and still.action_source is None
    assert steps[3].steered and np.array_equal(steps[3].actions, actions(session.model.mode, 3))
    with pytest.raises(InvalidRequest, match=r"forward|no move"):
        session.fork(at).step(np.full_like(actions(session.model.mode, 3), 0.5))


@pytest.mark.parametrize("passes", [1, 4])
def test_a_call_that_fails_midway_is_undone(trunk: tuple, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first and the last pass of a step that rolls: buffers were written, the retry has the bits."""
    manager, session, steps = trunk
    fork = session.fork(steps[2].checkpoint_id)
    dit, count = manager.model.pipeline.generator.model, 0
    forward = dit.forward

    def breaks(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        done = forward(*args, **kwargs)
        if count == passes:
            raise RuntimeError("broken")
        return done

    monkeypatch.setattr(dit, "forward", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        go_on(fork)
    monkeypatch.undo()
    assert_same(go_on(fork, auto_checkpoint=False), steps[3])


def test_prompts_change_nothing_and_a_reset_begins_anew(trunk: tuple) -> None:
    """There is no text; from the last picture a world begins whose actions are its own."""
    _, session, steps = trunk
    kept = session.fork(steps[2].checkpoint_id, prompt=OTHER)
    assert same_bits(go_on(kept), steps[3])
    with pytest.raises(InvalidRequest, match="reads no text"):
        go_on(session.fork(steps[2].checkpoint_id, prompt=OTHER, prompt_mode="recache"))
    anew = session.fork(steps[2].checkpoint_id, prompt=OTHER, prompt_mode="reset")
    first = go_on(anew)
    assert not same_bits(first, steps[3]) and anew.model.frames == 3
    again = session.fork(steps[2].checkpoint_id, prompt=OTHER, prompt_mode="reset")
    assert_same(go_on(again), first)


def test_light_checkpoints_are_rebuilt_from_the_whole_world(model: ToyMatrixGame) -> None:
    """Every block read clean once more under its actions, checked against the digests of the original."""
    store = SnapshotStore(None, policy="light")
    session = world(StateManager(model, store=store))
    steps = [go_on(session) for _ in range(4)]
    store.flush()
    manager = StateManager(model, store=SnapshotStore(store.backend))
    fork = Session.from_checkpoint("fork", model, manager, str(steps[2].checkpoint_id))
    assert not fork.snapshot.has_kv
    assert_same(go_on(fork, auto_checkpoint=False), steps[3])
    manager.store.close()
    store.close()


def test_a_fresh_process_continues_with_the_same_bits(mode: str, model: ToyMatrixGame, tmp_path: Path) -> None:
    """Through the store's files only."""
    place = on_disk(tmp_path)
    store = SnapshotStore(backend_at(place))
    session = world(StateManager(model, store=store))
    head = [go_on(session) for _ in range(3)][-1].checkpoint_id
    expected = session.step(auto_checkpoint=False)
    store.close()
    assert_next_elsewhere(expected, place, str(head), "tests.matrixgame.models", "toy_matrixgame", mode)


def test_a_step_stores_and_copies_its_own_block(mode: str, trunk: tuple) -> None:
    """Of all caches, rolling or not; where the window cuts blocks, too. The first picture is stored once."""
    manager, session, steps = trunk
    manager.store.flush()
    caches = [cache for found in manager.model._action_caches().values() for cache in found]
    acts = sum(cache[kind][:, :3].nbytes for cache in caches for kind in "kv")
    block = acts + sum(cache[kind][:, : 3 * 880].nbytes for cache in manager.model.pipeline.kv_cache1 for kind in "kv")
    last = manager.store.manifest(steps[-1].checkpoint_id)
    own = {record.name: piece.length for record, piece in last.own_parts() if not record.name.startswith("kv_cache")}
    assert sum(piece.length for record, piece in last.own_parts() if record.name.startswith("kv_cache")) == block
    assert "state/scene" not in own and "state/look" not in own
    go_on(session.fork(steps[-2].checkpoint_id), auto_checkpoint=False)
    assert manager.capture.bytes_last == block


def test_pictures_are_shown_before_the_caches_are_written(trunk: tuple) -> None:
    """All of the step's, one pass of the transformer earlier."""
    _, session, steps = trunk
    fork, seen = session.fork(steps[0].checkpoint_id), []
    written: list[int] = []

    def look(frames: np.ndarray, at: int) -> None:
        seen.append(frames)
        written.append(fork.model.frames)

    step = go_on(fork, on_frames=look)
    assert written == [3] and np.array_equal(np.concatenate(seen), step.frames)
    assert_same(step, steps[1])


def test_a_world_that_is_as_long_as_its_picture_was_prepared_for_says_so() -> None:
    """It stays where it is."""
    model = toy_matrixgame("templerun")
    model._length = 6
    session = world(StateManager(model))
    session.step()
    session.step()
    with pytest.raises(InvalidRequest, match="prepared for 6 latent frames"):
        session.step()
    assert session.frame_index == 2


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [("", "num_frame_per_block", 2), ("generator.model.blocks.0.self_attn", "sink_size", 2),
     ("generator.model.blocks.0.action_model", "windows_size", 2), ("args", "context_noise", 100)],
)  # fmt: skip
def test_a_state_of_other_settings_is_refused(trunk: tuple, place: str, name: str, value: object) -> None:
    """Everything that can change a bit is in the identity."""
    steps, model = trunk[2], trunk[0].model
    other = toy_matrixgame(model.mode)
    assert model.identity().digest() == other.identity().digest()
    part = other.pipeline.args if place == "args" else other.pipeline.get_submodule(place)
    setattr(part, name, value)
    changed = ToyMatrixGame(
        other.pipeline, other.encoder, mode=model.mode, frames=24, image_size=(352, 640), device="cpu",
        weights_digest="toy",
    )  # fmt: skip
    with pytest.raises(IdentityMismatch, match="sampler"):
        StateManager(changed, store=trunk[0].store).load(steps[1].checkpoint_id)
