"""Models that declare their state: buffers written in place, caches that roll, a generator, no pictures, no actions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager, World, WorldStateSnapshot
from arc_fabric.errors import CheckpointUnavailable, IdentityMismatch, InvalidRequest, ModelError, StateOverwritten
from arc_fabric.held.capture import Capture
from arc_fabric.models.contract import Part, StepInput, StepOutput, spans_of
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import DiskBackend
from tests.sdk.proofs import assert_goes_back
from tests.sdk.worlds import OTHER, PROMPT, assert_same, run, same_bits
from tests.support.rolling_model import TOKENS, Forgetful, RollingToy

STEPS = 7
BLOCK_BYTES = 3 * TOKENS * 16 * 4 * 2 * 2
"""Keys and values of a block, two layers, float32."""


def world(manager: StateManager, name: str = "ses", **more: Any) -> Session:
    """A world from its prompt alone."""
    return Session(name, manager.model, manager, PROMPT, **{"seed": 3} | more)


@pytest.fixture(params=[{}, {"ring": True}, {"inference": False}, {"sink": 0, "capacity": 6}, {"block": 1}])
def kind(request: pytest.FixtureRequest) -> dict:
    """Rolling with a sink that cuts blocks, a ring, ordinary tensors, without a sink, one-frame steps."""
    return request.param


def uninterrupted(kind: dict, steps: int = STEPS) -> list:
    """A run that nobody captures but for the present state."""
    return run(world(StateManager(RollingToy(**kind))), steps, auto_checkpoint=False)


def test_forks_at_every_step_and_rewinds(kind: dict) -> None:
    """Before, where and after the window rolls."""
    plain = uninterrupted(kind)
    session = world(StateManager(RollingToy(**kind)))
    steps = run(session, STEPS)
    for mine, theirs in zip(steps, plain, strict=True):
        assert_same(mine, theirs)
    assert_goes_back(session, plain)


def test_another_process_goes_on_from_what_is_stored(kind: dict, tmp_path: Path) -> None:
    """With a manager, a store and a model of its own."""
    store = SnapshotStore(DiskBackend(tmp_path))
    session = world(StateManager(RollingToy(**kind), store=store))
    steps = run(session, 5)
    store.close()
    other = StateManager(RollingToy(**kind), store=SnapshotStore(DiskBackend(tmp_path)))
    fork = Session.from_checkpoint("b", other.model, other, str(steps[3].checkpoint_id))
    assert not fork.snapshot.has_kv  # read when it is stepped
    assert_same(fork.step(), steps[4])
    other.store.close()


def test_a_snapshot_keeps_its_bits_while_the_model_overwrites_its_buffers(kind: dict) -> None:
    """Nothing of it lies in a buffer: it is the same after five more steps, and after the buffers are filled anew."""
    model = RollingToy(**kind)
    session = world(StateManager(model))
    session.step()
    snapshot = session.snapshot
    copies = {name: tensor.clone() for name, tensor in snapshot.held.items()}
    run(session, 5)
    with torch.inference_mode():
        for buffer in (*model.k, *model.v, model.memory):
            buffer.fill_(9)
    assert all(torch.equal(snapshot.held[name], copy) for name, copy in copies.items())
    assert all(not tensor.is_inference() for name, tensor in snapshot.held.items() if name.startswith("kv_cache"))


def test_a_step_copies_and_stores_what_it_wrote() -> None:
    """However the window shifts: one block of keys and values, shared with every later snapshot."""
    model = RollingToy()
    manager = StateManager(model)
    session = world(manager)
    before: WorldStateSnapshot | None = None
    for step in range(1, STEPS + 1):
        session.step()
        assert manager.capture.bytes_last == BLOCK_BYTES + model.memory.nbytes
        manager.store.flush()
        last = manager.store.manifest(str(session.head))
        new = sum(piece.length for record, piece in last.own_parts() if record.name.startswith("kv_cache"))
        assert new == BLOCK_BYTES, step
        if before is not None:
            shared = [name for name in session.snapshot.held if name.startswith("kv_cache") and name in before.held]
            assert shared and all(session.snapshot.held[name] is before.held[name] for name in shared)
        before = session.snapshot


@pytest.mark.parametrize("place", ["half", "write", "read"])
def test_a_call_that_fails_midway_is_undone(kind: dict, place: str) -> None:
    """With its buffers half written."""
    model = RollingToy(**kind)
    session = world(StateManager(model))
    run(session, 4)
    model.fail_at = place
    with pytest.raises(RuntimeError, match="broken"):
        session.step()
    assert_same(session.step(), uninterrupted(kind, 5)[-1])


@pytest.mark.parametrize("mode", ["keep", "recache", "reset"])
def test_a_prompt_changes(mode: str) -> None:
    """Old entries are rewritten by a recache, which says so by its epoch; a light checkpoint of it is rebuilt."""
    store = SnapshotStore(None, policy="light")
    manager = StateManager(RollingToy(), store=store)
    session = world(manager)
    run(session, 4)
    session.prompt, session.prompt_mode = OTHER, mode  # type: ignore[assignment]
    first, second = run(session, 2)
    assert first.prompt_mode == mode and second.prompt_mode is None
    store.flush()
    other = StateManager(RollingToy(), store=SnapshotStore(store.backend))
    fork = Session.from_checkpoint("b", other.model, other, str(first.checkpoint_id))
    assert_same(fork.step(), second)


def test_what_cannot_be_rebuilt_is_refused_where_it_is_not_stored() -> None:
    """A model without latents, its checkpoints light."""
    store = SnapshotStore(None, policy="light")
    session = world(StateManager(RollingToy(vae=False), store=store))
    steps = run(session, 2)
    store.flush()
    other = StateManager(RollingToy(vae=False), store=SnapshotStore(store.backend))
    with pytest.raises(CheckpointUnavailable, match="cannot rebuild"):
        Session.from_checkpoint("b", other.model, other, str(steps[0].checkpoint_id)).step()


def test_a_file_holds_the_whole_state(tmp_path: Path) -> None:
    """Saved and loaded, it goes on; its declaration and scalars come with it."""
    session = world(StateManager(RollingToy()))
    run(session, 3)
    session.save(tmp_path / "state")
    loaded = WorldStateSnapshot.load(tmp_path / "state")
    assert loaded.parts == session.snapshot.parts and loaded.scalars == session.snapshot.scalars
    fresh = StateManager(RollingToy())
    assert_same(Session.from_snapshot("b", fresh.model, fresh, loaded).step(), uninterrupted({}, 4)[-1])


def test_a_part_declared_replaced_and_written_in_place_is_refused() -> None:
    """By its name."""
    session = world(StateManager(Forgetful(inference=False)))
    session.step()
    with pytest.raises(StateOverwritten, match="state/memory"):
        session.step()


def test_another_declaration_is_another_identity() -> None:
    """The state of one is not put into the other."""
    store = SnapshotStore(None)
    first = world(StateManager(RollingToy(), store=store)).step().checkpoint_id
    model = RollingToy()
    model.parts = model.parts | {"memory": Part("in_place", axis=0, unit=4)}
    with pytest.raises(IdentityMismatch, match="state"):
        StateManager(model, store=store).load(str(first))


def test_a_state_is_given_back_on_the_models_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was read to; a generator's state in host memory, where torch takes it."""
    model = RollingToy()
    session = world(StateManager(model))
    session.step()
    given: dict[str, Any] = {}
    monkeypatch.setattr(model, "load_state", given.update)
    Capture(model, torch.device("meta")).put_back(session.snapshot.held, session.snapshot.scalars)
    assert [tensor.device.type for tensor in given["recent"]] == ["meta"]
    assert given["noise"].device.type == "cpu"


@pytest.mark.parametrize("ability", ["batches", "rebuilds_kv"])
def test_abilities_of_the_other_surface_are_refused(ability: str) -> None:
    """Caches would be dropped that nothing brings back."""
    model = RollingToy()
    model.abilities = replace(model.abilities, **{ability: True})  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=ability):
        StateManager(model)


def test_counters_that_do_not_fit_are_named() -> None:
    """With what they should count."""
    model = RollingToy(block=1)
    model.parts = model.parts | {"k": Part("rolling", layers=True, axis=1, unit=8, capacity=24, written="written")}
    with pytest.raises(ModelError, match=r"counters of kv_cache.k/00"):
        world(StateManager(model)).step()


@pytest.mark.parametrize(
    ("part", "counters", "places"),
    [
        ({"capacity": 4}, {"n": 3}, [(0, 0), (1, 1), (2, 2)]),
        ({"capacity": 4}, {"n": 6}, [(2, 0), (3, 1), (4, 2), (5, 3)]),
        ({"capacity": 4, "sink": 1}, {"n": 6}, [(0, 0), (3, 1), (4, 2), (5, 3)]),
        ({"capacity": 4, "ring": True}, {"n": 6}, [(2, 2), (3, 3), (4, 0), (5, 1)]),
        ({"capacity": 4, "sink": 1, "ring": True}, {"n": 6}, [(0, 0), (3, 3), (4, 1), (5, 2)]),
        ({"capacity": 6, "unit": 2, "filled": "m"}, {"n": 8, "m": 4}, [(4, 0), (6, 2)]),
    ],
)
def test_where_entries_lie(part: dict, counters: dict, places: list) -> None:
    """Growing, shifted, after a sink, in a ring, in units, and fewer than fit."""
    spans = spans_of(Part("rolling", axis=1, written="n", **part), counters)
    assert [(span.start, span.at) for span in spans] == places


def test_actions_have_names_and_limits() -> None:
    """Discrete and continuous, per frame; what is beyond them is refused before anything happens."""
    session = world(StateManager(RollingToy(controls=True)))
    geometry = session.model.geometry
    assert geometry.action_names == ("forward", "turn", "yaw") and geometry.action_low == (0.0, -1.0, -15.0)
    still, turned = session.fork(), session.fork()
    moved = turned.step(np.tile([1, -1, 7.5], (6, 1)))
    assert same_bits(moved, session.fork().step([{"forward": 1, "turn": -1, "yaw": 7.5}] * 6))
    assert same_bits(still.step({"yaw": 3}), session.fork().step([0, 0, 3])) and still.rewind() is not None
    with pytest.raises(InvalidRequest, match="no control 'fly'"):
        session.step([{"fly": 1}] * 6)
    assert moved.steered and not same_bits(moved, still.step(np.zeros((6, 3))))
    for action, says in (([0, 0, 16], "yaw = 16"), ([0.5, 0, 0], "forward = 0.5"), ([0, -2, 0], "left, none, right")):
        with pytest.raises(InvalidRequest, match=says):
            session.step(action)
    assert session.frame_index == 0


def test_a_world_without_actions_pictures_or_latents() -> None:
    """In a World, too: nothing is asked for that the model does not have."""
    with World(RollingToy(vae=False)) as made:
        session = made.session(PROMPT, seed=3)
        steps = session.step(4)
        same, other = session.fork(steps=1), session.fork(prompt=OTHER, steps=1)
        session.step()
        assert list(made.compare(session, same).equal.values()) == [True]
        assert list(made.compare(session, other).equal.values()) == [False], "by its frames"
        assert steps[-1].action_source is None and session.to_dict()["window_start"] == 0
        assert made.tree.get_node(steps[-1].checkpoint_id).actions is None
        assert len(session.strip(2)) == 6
    with pytest.raises(InvalidRequest, match="takes no actions"):
        world(StateManager(RollingToy())).step(np.zeros(3))


class Looking(RollingToy):
    """Notes with what its worlds begin."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[np.ndarray | None] = []

    def step(self, given: StepInput) -> StepOutput:
        """As ever."""
        if given.begins:
            self.begun.append(given.picture)
        return super().step(given)


@pytest.mark.parametrize(("black", "said", "is_one"), [
    (True, None, False), (False, None, True), (True, True, True), (True, False, False),
])  # fmt: skip
def test_a_root_that_does_not_say_has_a_picture_unless_it_is_black(
    black: bool, said: bool | None, is_one: bool
) -> None:
    """Older roots do not say; then a black one stood for none."""
    root = WorldStateSnapshot("ckp_0", "ses_0", frames=torch.full((1, 8, 8, 3), 0 if black else 9, dtype=torch.uint8))
    facts = {name: value for name, value in root.meta().items() if name != "pictured"}
    facts |= {} if said is None else {"pictured": said}
    read = WorldStateSnapshot.from_entries(root.tensors(), facts)
    assert read.pictured is is_one and read.meta()["pictured"] is is_one


def test_a_black_picture_is_one_and_none_is_none(tmp_path: Path) -> None:
    """The root says which it was, also in another process's hands."""
    store, model = SnapshotStore(DiskBackend(tmp_path)), Looking()
    manager = StateManager(model, store=store)
    black = np.zeros((model.geometry.image_height, model.geometry.image_width, 3), np.uint8)
    roots = [world(manager, "without").snapshot, world(manager, "black", initial_frame=black).snapshot]
    store.close()
    other = StateManager(Looking(), store=SnapshotStore(DiskBackend(tmp_path)))
    for root in roots:
        Session.from_checkpoint("again", other.model, other, str(root.checkpoint_id)).step()
    without, seen = other.model.begun
    assert without is None
    assert seen is not None and np.array_equal(seen, black)
    other.store.close()
