"""Policies find what a brute force over the same continuations finds, and leave session and tree as they should."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from arc_fabric import World, search
from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.scores import Branch, Score
from arc_fabric.protocol import SessionProtocol
from arc_fabric.search import Explorer, beam, best_of, cem, go_explore, retry_on_failure
from tests.support.toy_model import ToyModel

GEOMETRY = ToyModel.geometry


def brightness(branch: Branch, *, least: float = -1.0) -> Score:
    """Mean of the last frame; good from `least` on."""
    value = float(branch.frames[-1].mean())
    return Score(value, value >= least, "", "higher")


@pytest.fixture
def trunk() -> Iterator[SessionProtocol]:
    """A session at step 2."""
    with World(ToyModel()) as world:
        session = world.session("pick up the red cup", ToyModel.sample_frame(3), seed=7)
        session.step(2)
        yield session


def test_each_is_small() -> None:
    """Under a hundred lines: a policy of one's own is written after one of these."""
    for path in Path(search.__file__).parent.glob("*.py"):
        assert len(path.read_text().splitlines()) < 100, path.name


def test_best_of_is_the_best_and_the_session_stays(trunk: SessionProtocol) -> None:
    head, explorer = trunk.head, Explorer(trunk, brightness)
    found = best_of(explorer, 2, seeds=range(6))
    assert found.score.value == max(one.score.value for one in explorer.tries)
    assert len({one.checkpoint for one in explorer.tries}) == 6
    assert trunk.head == head
    fork = trunk.fork(seed=found.seed)
    fork.step(2)
    assert float(fork.frames()[-1].mean()) == found.score.value, "a seed repeats bit for bit"


def test_every_try_is_in_the_tree_with_its_score(trunk: SessionProtocol) -> None:
    explorer = Explorer(trunk, partial(brightness, least=1e9))
    best_of(explorer, 1, seeds=range(3))
    nodes = {node.id: node for node in trunk.tree()}
    for one in explorer.tries:
        assert (nodes[one.checkpoint].score, nodes[one.checkpoint].failed) == (one.score.value, True)
    assert trunk.to_dict()["state"] == "open"


def test_lower_scores_may_be_better(trunk: SessionProtocol) -> None:
    def darkness(branch: Branch) -> Score:
        return Score(brightness(branch).value, None, "", "lower")

    explorer = Explorer(trunk, darkness)
    assert best_of(explorer, 1, seeds=range(5)).score.value == min(one.score.value for one in explorer.tries)


def test_a_wide_beam_is_a_brute_force(trunk: SessionProtocol) -> None:
    explorer = Explorer(trunk, brightness)
    found = beam(explorer, 2, every=1, width=99, seeds=(1, 2, 3))
    ends = []
    for pair in product((1, 2, 3), repeat=2):
        fork = trunk.fork()
        for seed in pair:
            fork.step(1, seed=seed)
        ends.append(float(fork.frames()[-1].mean()))
        fork.close()
    assert found.score.value == max(ends)
    narrow = Explorer(trunk, brightness)
    assert beam(narrow, 3, every=2, width=1, seeds=(1, 2)).score.value <= 255
    assert [trunk.lineage_of(one.checkpoint).index(trunk.head or "") for one in narrow.tries] == [2] * 4


def test_retry_goes_back_and_tries_the_next(trunk: SessionProtocol) -> None:
    values = iter([True, False, False, True, True, True])
    explorer = Explorer(trunk, lambda branch: Score(1.0, next(values)))
    found = retry_on_failure(explorer, 3, back=2, others=[(None, 11), ("push it", None)])
    assert found.score.verdict is True
    origins = [trunk.lineage_of(one.checkpoint).index(one.origin) for one in explorer.tries]
    assert origins == [2, 3, 2, 2, 3, 4], "after the first failure it goes back beyond the step that led there"
    assert (found.prompt, found.seed) == ("push it", 11)
    assert trunk.lineage_of(found.checkpoint)[2] == trunk.head


def test_retry_ends_where_nothing_is_left_to_try(trunk: SessionProtocol) -> None:
    explorer = Explorer(trunk, lambda branch: Score(0.0, False))
    found = retry_on_failure(explorer, 4, every=2, others=[(None, 1), (None, 2)])
    assert found.score.verdict is False
    assert len(explorer.tries) == 3


def test_cem_comes_closer_to_the_actions_that_are_wanted(trunk: SessionProtocol) -> None:
    wanted = np.array([0.5, -0.5, 0.25, 0.0])

    def near(branch: Branch) -> Score:
        return Score(float(np.abs(branch.actions - wanted).mean()), None, "", "lower")

    explorer = Explorer(trunk, near)
    limits = {"low": GEOMETRY.action_low, "high": GEOMETRY.action_high, "horizon": GEOMETRY.action_horizon}
    found, actions = cem(explorer, 2, **limits, rounds=6, population=12, elite=3)
    first = min(one.score.value for one in explorer.tries[:12])
    assert found.score.value == min(one.score.value for one in explorer.tries) < first / 1.5
    assert actions.shape == (2, GEOMETRY.action_horizon, GEOMETRY.action_dim)
    again, _ = cem(Explorer(trunk, near), 2, **limits, rounds=6, population=12, elite=3)
    assert again.score.value == found.score.value, "repeats with its seed"


def test_go_explore_keeps_the_best_way_to_each_cell(trunk: SessionProtocol) -> None:
    explorer = Explorer(trunk, brightness)
    archive = go_explore(explorer, 1, cell=lambda one: round(one.score.value), tries=12)
    for place, kept in archive.items():
        same = [one.score.value for one in explorer.tries if round(one.score.value) == place]
        assert kept.best.score.value == max(same)
    depths = {len(trunk.lineage_of(one.checkpoint)) for one in explorer.tries}
    assert max(depths) > 4, "it goes on from what it found"


def test_what_makes_no_sense_is_refused(trunk: SessionProtocol) -> None:
    explorer = Explorer(trunk, brightness)
    with pytest.raises(InvalidRequest):
        retry_on_failure(explorer, 0, others=[])
    with pytest.raises(InvalidRequest):
        beam(explorer, 2, every=1, width=0, seeds=[1])
    with pytest.raises(InvalidRequest):
        cem(explorer, 1, low=[1.0], high=[0.0], horizon=1)
    with pytest.raises(InvalidRequest):
        go_explore(explorer, 1, cell=lambda one: 0, tries=0)
    with pytest.raises(ValueError, match="at least one seed"):
        best_of(explorer, 1, seeds=[])
    assert explorer.tries == []
