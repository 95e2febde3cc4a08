"""The Gymnasium environment passes gymnasium's own checker, and its states can be cloned and restored."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from arc_fabric.client import ArcFabric
from arc_fabric.client.env import WorldEnv


@pytest.fixture
def env(fabric: ArcFabric, frame: np.ndarray) -> Iterator[WorldEnv]:
    """An environment on the toy model."""
    made = WorldEnv(fabric, "pick up the red cup", frame, max_steps=5)
    yield made
    made.close()


def test_gymnasiums_checker_finds_nothing(env: WorldEnv) -> None:
    """Spaces, types, seeding and determinism are as gymnasium wants them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not having a unique.*|.*spec.*|.*render.*")
        check_env(env, skip_render_check=True)


def test_a_restored_state_continues_bit_for_bit(env: WorldEnv) -> None:
    """The same actions after a restore give the same frames; also from another branch."""
    env.reset(seed=3)
    actions = [env.action_space.sample() for _ in range(3)]
    env.step(actions[0])
    saved = env.clone_state()
    first = [env.step(action)[4]["frames"] for action in actions[1:]]
    elsewhere = env.clone_state()
    env.restore_state(saved)
    again = [env.step(action)[4]["frames"] for action in actions[1:]]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.array_equal(env.restore_state(elsewhere), first[-1][-1])
    env.step(actions[0])


def test_an_episode_ends_after_max_steps(env: WorldEnv) -> None:
    """`truncated` is set by the limit; before a reset there is nothing to step."""
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    env.reset(seed=1)
    ends = [env.step(env.action_space.sample())[3] for _ in range(5)]
    assert ends == [False] * 4 + [True]


def test_rewards_come_from_the_callers_function(fabric: ArcFabric, frame: np.ndarray) -> None:
    """It gets the step's frames."""
    env = WorldEnv(fabric, "p", frame, reward=lambda frames, info: float(len(frames)))
    env.reset(seed=1)
    assert env.step(env.action_space.sample())[1] == 8.0
    env.close()
