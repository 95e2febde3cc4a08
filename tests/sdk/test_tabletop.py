"""The SDK on the trained model: the same guarantees, fewer steps."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import arc_fabric.session
from arc_fabric import Session, StateManager
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import DiskBackend
from tests.sdk.proofs import assert_light_is_rebuilt, assert_next_elsewhere, on_disk
from tests.sdk.worlds import OTHER, PROMPT, assert_same, run, same_bits

STEPS = 6
"""A window of four steps and half of the next."""


@pytest.fixture(scope="module")
def model() -> TabletopModel:
    """One model for all tests of this file. Recording its steps has tests of its own (tests/models/test_graphs.py)."""
    return TabletopModel.load(recorded=False)


def world(manager: StateManager, name: str = "ses", **options) -> Session:
    """A session on the first sample picture."""
    picture = next(iter(manager.model.samples().values()))
    return Session(name, manager.model, manager, PROMPT, picture, **options)


@pytest.fixture(scope="module")
def trunk(model: TabletopModel) -> tuple[StateManager, Session, list]:
    """Six steps, checkpointed."""
    manager = StateManager(model)
    session = world(manager)
    return manager, session, run(session, STEPS)


def test_checkpoints_do_not_change_a_run(model: TabletopModel, trunk: tuple) -> None:
    """A run without checkpoints, on a fresh manager, has the same bits."""
    for mine, theirs in zip(run(world(StateManager(model)), STEPS, auto_checkpoint=False), trunk[2], strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("at", [0, 2, 4, 5])
def test_a_fork_continues_with_the_same_bits(model: TabletopModel, trunk: tuple, at: int) -> None:
    """From the root, within a window, at its end and after it."""
    _, session, steps = trunk
    fork = session.fork(session.trajectory.checkpoint_at(at))
    for mine, theirs in zip(run(fork, STEPS - at), steps[at:], strict=True):
        assert_same(mine, theirs)


def test_a_rewind_across_the_windows_end(model: TabletopModel) -> None:
    """Three steps back from step five, and again."""
    session = world(StateManager(model))
    steps = run(session, 5)
    session.rewind(3)
    for mine, theirs in zip(run(session, 3), steps[2:], strict=True):
        assert_same(mine, theirs)


def test_interleaved_sessions(model: TabletopModel, trunk: tuple) -> None:
    """Two worlds on one head; prompts and seeds make them differ."""
    manager = StateManager(model)
    a, b = world(manager, "a"), world(manager, "b", seed=42)
    both = [(a.step(), b.step()) for _ in range(3)]
    for (mine, other), theirs in zip(both, trunk[2], strict=False):
        assert_same(mine, theirs)
        assert not same_bits(other, theirs)


@pytest.mark.parametrize("mode", ["keep", "recache", "reset"])
def test_prompt_modes_are_reproducible(model: TabletopModel, trunk: tuple, mode: str) -> None:
    """A fork with another prompt differs from the trunk; stored and restored it goes on with the same bits."""
    _, session, steps = trunk
    fork = session.fork(steps[1].checkpoint_id, prompt=OTHER, prompt_mode=mode)
    expected = run(fork, 2)
    assert not same_bits(expected[0], steps[2])
    again = session.fork(expected[0].checkpoint_id)
    assert_same(again.step(), expected[1])


def test_observed_frames_replace_imagined_ones(model: TabletopModel, trunk: tuple) -> None:
    """Closed loop: what was seen decides; seeing what was imagined is close to imagining it."""
    _, session, steps = trunk
    fork = session.fork(steps[0].checkpoint_id)
    closed = fork.step(observed=steps[0].frames[::-1])
    assert not same_bits(closed, steps[1])
    again = session.fork(steps[0].checkpoint_id)
    assert_same(again.step(observed=steps[0].frames[::-1]), closed)
    assert_same(session.fork(closed.checkpoint_id).step(), fork.step())


@pytest.mark.parametrize("changed", [False, True])
def test_light_snapshots_are_rebuilt(model: TabletopModel, changed: bool) -> None:
    """Through the model's own prefill."""
    assert_light_is_rebuilt(model, world, changed=changed)


def test_a_new_world_knows_nothing_of_the_last(model: TabletopModel, trunk: tuple) -> None:
    """What a window leaves to the next one stays in its world."""
    manager = StateManager(model)
    run(world(manager, "other", seed=42), 4)
    assert_same(world(manager).step(), trunk[2][0])


@pytest.mark.parametrize("steps", [2, 4])
def test_a_fresh_process_continues_with_the_same_bits(model: TabletopModel, tmp_path: Path, steps: int) -> None:
    """Through files only; within a window, and from its end into the next."""
    store = SnapshotStore(DiskBackend(tmp_path))
    session = world(StateManager(model, store=store))
    head = run(session, steps)[-1].checkpoint_id
    expected = session.step()
    store.close()
    assert_next_elsewhere(expected, on_disk(tmp_path), head, "arc_fabric.models.registry", "load_model", "tabletop")


def test_the_documented_example_runs() -> None:
    """The example in session.py is true."""
    tests = doctest.DocTestFinder(recurse=False).find(arc_fabric.session, "session")
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0
    assert runner.tries > 5
