"""Settings of the model per session: they decide steps, are recorded, and come back with every restore, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager, World
from arc_fabric.batches.together import RowStep, step_together
from arc_fabric.errors import InvalidRequest
from arc_fabric.models.contract import ModelSetting
from arc_fabric.models.registry import load_model
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.steps.result import StepResult
from arc_fabric.store import SnapshotStore
from tests.sdk.worlds import assert_same, new_session, run, same_bits, uninterrupted
from tests.support.batching_toy import BatchingToy
from tests.support.rolling_model import RollingToy
from tests.support.toy_model import ToyModel

OTHER = {"guidance": 3.5, "rounds": 4}


@pytest.fixture
def manager() -> StateManager:
    """A manager whose checkpoints stay in memory."""
    return StateManager(ToyModel())


@pytest.fixture
def session(manager: StateManager) -> Session:
    """A session at its root."""
    return new_session(manager)


def test_steps_without_settings_have_the_bits_they_had(manager: StateManager) -> None:
    """Also beside a session that has some, and after it."""
    plain, other = new_session(manager, "plain"), new_session(manager, "other", model_settings=OTHER)
    for expected in uninterrupted(6):
        other.step()
        assert_same(plain.step(), expected)


def test_what_is_as_by_default_is_not_recorded(manager: StateManager) -> None:
    """Equal settings read equal, and stored facts of those who set nothing are what they were."""
    session = new_session(manager, model_settings={"rounds": 2.0, "guidance": 2})
    assert session.model_settings == {}
    session.step()
    assert "settings" not in session.snapshot.meta()
    session.model_settings = {"rounds": 4.0, "guidance": 2.0}
    session.step()
    assert session.snapshot.meta()["settings"] == {"rounds": 4}


def test_they_come_back_with_a_restore_a_fork_a_rewind_and_a_file(tmp_path: Path) -> None:
    """In another process as well: a manager of its own on the same store."""
    store = SnapshotStore(None)
    session = new_session(StateManager(ToyModel(), store=store), model_settings=OTHER)
    steps = run(session, 6)
    assert not same_bits(steps[0], uninterrupted(1)[0])
    store.flush()
    session.save(tmp_path / "last.safetensors")
    following = session.step()
    fresh = ToyModel()
    elsewhere = StateManager(fresh, store=SnapshotStore(store.backend))
    for at in (0, 3, 4):
        fork = Session.from_checkpoint("fork", fresh, elsewhere, str(steps[at].checkpoint_id))
        assert fork.model_settings == OTHER
        assert_same(fork.step(), steps[at + 1])
    snapshot = WorldStateSnapshot.load(tmp_path / "last.safetensors")
    assert same_bits(Session.from_snapshot("file", fresh, elsewhere, snapshot).step(), following)
    session.rewind(4)
    assert_same(session.step(), steps[3])


def test_a_fork_may_have_others_in_place_of_them(manager: StateManager) -> None:
    """What is not named is as by default, whatever the checkpoint had."""
    session = new_session(manager, model_settings=OTHER)
    session.step()
    plain = session.fork(model_settings={})
    other = session.fork(model_settings={"rounds": 5})
    assert (plain.model_settings, other.model_settings, session.model_settings) == ({}, {"rounds": 5}, OTHER)
    steps = [one.step() for one in (session, plain, other)]
    assert len({step.step_latents.numpy().tobytes() for step in steps}) == 3
    assert [one.snapshot.settings for one in (plain, other)] == [{}, {"rounds": 5}]


def test_kv_made_again_from_latents_does_not_depend_on_them() -> None:
    """Light checkpoints keep no KV: it is rebuilt and compared with the digests of what was there."""
    store = SnapshotStore(None, policy="light")
    session = new_session(StateManager(ToyModel(), store=store), model_settings=OTHER)
    steps = run(session, 4)
    store.flush()
    fresh = ToyModel()
    elsewhere = StateManager(fresh, store=SnapshotStore(store.backend))
    fork = Session.from_checkpoint("fork", fresh, elsewhere, str(steps[2].checkpoint_id))
    assert_same(fork.step(), steps[3])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": 1}, "there is no setting 'colour' of this model; it takes guidance, rounds"),
        ({"rounds": 1.5}, "rounds is 1.5; it is a whole number from 1 to 8"),
        ({"rounds": 9}, "from 1 to 8"),
        ({"guidance": -0.1}, "from 0 to 10"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"guidance": "3"}, "guidance is '3'"),
        ({"rounds": True}, "rounds is True"),
        ([1], "values by name"),
    ],
)
def test_what_the_model_does_not_take_is_refused(session: Session, given: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=f"(?i){said}"):
        session.fork(model_settings=given)
    session.model_settings = given
    with pytest.raises(InvalidRequest):
        session.step()
    session.model_settings = {}
    assert session.step().frame_index == 1


def test_a_declaration_that_contradicts_itself_is_refused() -> None:
    for wrong in (("a", "discrete", 1.5, 0, 2), ("a", "continuous", 3.0, 0, 2)):
        with pytest.raises(ValueError, match="a: "):
            ModelSetting(*wrong)  # type: ignore[arg-type]


def test_a_declared_model_is_given_them_and_rebuilds_with_them() -> None:
    """The steps of its past are given with their own settings."""
    store = SnapshotStore(None, policy="light")
    frame = np.zeros((32, 32, 3), np.uint8)
    model = RollingToy()
    session = Session("ses", model, StateManager(model, store=store), "walk", frame)
    steps: list[StepResult] = []
    for gain in (0.5, 0.75, 0.25, 0.5):
        session.model_settings = {"gain": gain}
        steps.append(session.step())
    store.flush()
    fresh = RollingToy()
    elsewhere = StateManager(fresh, store=SnapshotStore(store.backend))
    for at in range(3):
        fork = Session.from_checkpoint("fork", fresh, elsewhere, str(steps[at].checkpoint_id))
        fork.model_settings = {"gain": (0.75, 0.25, 0.5)[at]}
        assert_same(fork.step(), steps[at + 1])


def test_rows_with_other_settings_step_in_a_pass_of_their_own() -> None:
    """Each has the bits that it has alone."""
    model = BatchingToy()
    trunk = Session("trunk", model, StateManager(model), "a", ToyModel.sample_frame())
    trunk.step()

    def forks() -> list[Session]:
        return [trunk.fork(seed=n, model_settings={"rounds": 4} if n % 2 else {}) for n in range(4)]

    alone = [fork.step() for fork in forks()]
    model.batch_calls.clear()
    together = step_together([RowStep(fork) for fork in forks()])
    assert model.batch_calls == [2, 2]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, StepResult)
        assert_same(one, other)


def test_a_world_takes_them_too() -> None:
    with World(ToyModel()) as world:
        trunk = world.session("a", ToyModel.sample_frame(), model_settings={"rounds": 3})
        trunk.step(2)
        assert trunk.model_settings == {"rounds": 3}
        assert trunk.tree()[-1].model_settings == {"rounds": 3}
        fork = trunk.fork(at=1)
        fork.step()
        assert np.array_equal(fork.latents(2), trunk.latents(2))
        fork.step(model_settings={"guidance": 3.0})
        assert fork.model_settings == {"guidance": 3.0}
        with pytest.raises(InvalidRequest, match="no setting"):
            fork.step(model_settings={"colour": 1.0})
        assert (fork.model_settings, fork.frame_index) == ({"guidance": 3.0}, 3)


def test_the_tabletop_takes_what_its_sampler_has() -> None:
    """Each setting changes something, a fork without them has the bits of a world without, and the identity stays."""
    model = load_model("tabletop", "cpu")
    before = model.identity().digest()
    manager = StateManager(model)
    frame = next(iter(model.samples().values()))  # type: ignore[attr-defined]
    trunk = Session("trunk", model, manager, "pick up the red cup", frame)
    trunk.step()
    plain = trunk.fork().step()
    changed = {"steps": 3, "action_steps": 2, "guidance": 3.0, "temperature": 1.0}
    assert {one.name for one in model.abilities.settings} == set(changed)
    for name, value in changed.items():
        fork = trunk.fork(model_settings={name: value})
        step = fork.step()
        assert not torch.equal(step.step_latents, plain.step_latents), name
        again = trunk.fork(model_settings={name: value})
        assert_same(again.step(), step)
        assert_same(again.step(), fork.step())
    assert_same(trunk.step(), plain)
    assert model.identity().digest() == before
