"""World: what sessions of tests/conformance do not show, its store, its tree and its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_fabric import World
from arc_fabric.errors import CheckpointNotFound, IdentityMismatch, InvalidImage, SessionClosed
from arc_fabric.settings import Settings
from arc_fabric.store import SnapshotStore
from tests.support.toy_model import ToyModel

FRAME = ToyModel.sample_frame()


class Painter(ToyModel):
    """A toy model with sample frames."""

    def samples(self) -> dict[str, np.ndarray]:
        return {"first": ToyModel.sample_frame(1), "second": ToyModel.sample_frame(2)}


def test_another_world_goes_on_from_a_folder_bit_for_bit(tmp_path: Path) -> None:
    """Steps, their arrays, their place in the tree, and a comparison with what is made there."""
    with World(ToyModel(), store=tmp_path / "store") as world:
        trunk = world.session("p", FRAME, seed=7)
        steps = trunk.step(3)
        latents, actions = [step.latents for step in steps], [step.actions for step in steps]
    with World(ToyModel(), store=str(tmp_path / "store")) as world:
        again = world.open(steps[1].checkpoint_id)
        assert np.array_equal(again.step()[0].latents, latents[2])
        assert [node.frame_index for node in world.tree] == [0, 1, 2, 3]
        assert np.array_equal(again.latents(1), latents[0])
        assert np.array_equal(again.actions(2), actions[1])
        assert len(again.frames()) == 25
        assert world.compare(again, steps[2].checkpoint_id).parts_at is None
        with pytest.raises(CheckpointNotFound):
            world.open("ckp_" + "0" * 26)
    with World(ToyModel(weights_seed=1), store=tmp_path / "store") as world, pytest.raises(IdentityMismatch):
        world.open(steps[1].checkpoint_id)


def test_settings_name_an_object_store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, or the bucket alone where endpoint and keys are in the environment."""
    with World(ToyModel(), store=settings) as world:
        saved = world.session("p", FRAME).step()[0].checkpoint_id
        assert "s3 store" in repr(world)
    for name, value in settings.to_env().items():
        monkeypatch.setenv(name, value)
    with World(ToyModel(), store=f"s3://{settings.s3_bucket}") as world:
        assert world.open(saved).frame_index == 1


def test_a_store_that_was_lent_stays_open() -> None:
    """Who made it closes it; what was stored is in it when the world ends."""
    store = SnapshotStore()
    with World(ToyModel(), store=store) as world:
        head = world.session("p", FRAME).head
    assert store.durability(head) == "durable"
    with World(ToyModel(), store=store) as world:
        assert world.open(head).step()[0].frame_index == 1
    store.close()


def test_an_ended_world_takes_no_work() -> None:
    """Its sessions are closed."""
    with World(ToyModel()) as world:
        session = world.session("p", FRAME)
        assert world.sessions == [session]
    with pytest.raises(SessionClosed):
        session.step()


def test_frames_come_as_samples_files_bytes_and_arrays(tmp_path: Path) -> None:
    """All of them give the same first frame; none at all is the first sample."""
    path = tmp_path / "second.png"
    Image.fromarray(ToyModel.sample_frame(2)).save(path)
    with World(Painter()) as world:
        given = ("second", "sample:second", path, str(path), path.read_bytes(), ToyModel.sample_frame(2))
        for frame in given:
            assert np.array_equal(world.session("p", frame).frame(0), ToyModel.sample_frame(2))
        assert np.array_equal(world.session("p").frame(0), ToyModel.sample_frame(1))
        with pytest.raises(InvalidImage) as refused:
            world.session("p", "third")
        assert "second" in refused.value.what_to_do
    with World(ToyModel()) as world, pytest.raises(InvalidImage):
        world.session("p")


def test_trees_of_several_roots_are_kept_apart() -> None:
    """`world.tree` has everything, a session's tree what grows from its root."""
    with World(ToyModel()) as world:
        first, second = world.session("a", FRAME), world.session("b", FRAME)
        first.step(2)
        second.fork(steps=1, seed=3)
        assert (len(world.tree), len(first.tree()), len(second.tree())) == (5, 3, 2)
        assert "5 nodes, 2 roots" in repr(world.tree)
        assert world.compare(first, second).common_ancestor is None


def test_a_step_that_fails_leaves_what_was_before() -> None:
    """Steps before it stay; prompt and seed of a call none of whose steps was taken do not."""
    with World(model := ToyModel()) as world:
        session = world.session("p", FRAME, seed=1)
        model.fault = "denoise"
        with pytest.raises(RuntimeError, match="injected"):
            session.step(2, prompt="q", seed=2)
        assert (session.prompt, session.seed, session.frame_index) == ("p", 1, 0)
        session.step()


def test_the_older_layout_warns(session) -> None:
    """`StepResult.latents` is [C, K, h, w] as it was, and says what to use."""
    result = session.step()
    with pytest.warns(DeprecationWarning, match="step_latents"):
        old = result.latents
    assert np.array_equal(old.numpy(), result.step_latents[0].transpose(0, 1).numpy())
