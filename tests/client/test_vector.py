"""Many worlds as one vector environment: Gymnasium's checks, equal bits for equal seeds, final observations, limits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing

import gymnasium
import numpy as np
import pytest
from gymnasium.utils import env_checker
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from arc_fabric.client import ArcFabric
from arc_fabric.client.vector import WorldVectorEnv
from arc_fabric.errors import InvalidRequest, SessionLimitReached

WORLDS = 3


@pytest.fixture
def envs(fabric: ArcFabric, frame: np.ndarray) -> Iterator[WorldVectorEnv]:
    """Three worlds of the toy model."""
    made = WorldVectorEnv(fabric, WORLDS, "pick up the red cup", frame, max_steps=4)
    yield made
    made.close()


class OneWorld(gymnasium.Env):
    """A vector environment of one world as a plain one: Gymnasium's checker knows only these."""

    def __init__(self, envs: WorldVectorEnv) -> None:
        self.envs, self.action_space = envs, envs.single_action_space
        self.observation_space, self.render_mode = envs.single_observation_space, None

    def reset(self, *, seed=None, options=None):
        """The first world."""
        super().reset(seed=seed)
        observations, infos = self.envs.reset(seed=seed, options=options)
        return observations[0], {name: value[0] for name, value in infos.items()}

    def step(self, action):
        """The first world."""
        *answers, infos = self.envs.step(action[None])
        observation, reward, terminated, truncated = (answer[0] for answer in answers)
        return observation, float(reward), bool(terminated), bool(truncated), {k: v[0] for k, v in infos.items()}


def test_gymnasiums_checker_finds_nothing(fabric: ArcFabric, frame: np.ndarray) -> None:
    """Types, seeding, determinism and buffers of each world are as Gymnasium wants them."""
    with closing(WorldVectorEnv(fabric, 1, "p", frame)) as envs, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not having a unique.*|.*spec.*|.*render.*")
        env_checker.check_env(OneWorld(envs), skip_render_check=True)


def test_batches_are_in_their_spaces(envs: WorldVectorEnv) -> None:
    env_checker.check_reset_return_type(envs)  # type: ignore[arg-type]
    env_checker.check_reset_options(envs)  # type: ignore[arg-type]
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observations, _ = envs.reset(seed=1)
    assert observations in envs.observation_space
    observations, rewards, terminations, truncations, _ = envs.step(envs.action_space.sample())
    assert observations in envs.observation_space
    assert (rewards.dtype, terminations.dtype, truncations.dtype) == (np.float64, np.bool_, np.bool_)
    assert rewards.shape == terminations.shape == truncations.shape == (WORLDS,)


def test_a_wrapper_of_gymnasium_works_on_it(fabric: ArcFabric, frame: np.ndarray) -> None:
    made = WorldVectorEnv(fabric, 2, "p", frame, max_steps=2, reward=lambda frames, info: 1.5)
    envs = RecordEpisodeStatistics(made)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    infos = envs.step(envs.action_space.sample())[4]
    assert infos["episode"]["r"].tolist() == [3.0, 3.0]
    envs.close()


def test_equal_seeds_and_actions_give_equal_bits(envs: WorldVectorEnv) -> None:
    """World i has the seed n + i; the worlds of one group differ by their seeds alone."""
    envs.action_space.seed(1)
    actions = [envs.action_space.sample() for _ in range(3)]
    actions = [np.repeat(action[:1], WORLDS, 0) for action in actions]
    runs = []
    for _ in range(2):
        start, _ = envs.reset(seed=11)
        runs.append([start] + [envs.step(action)[4]["frames"] for action in actions])
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
    assert (runs[0][0] == runs[0][0][0]).all(), "they begin in one state"
    assert not np.array_equal(runs[0][3][0], runs[0][3][1])
    envs.reset(seed=[12, 12, 11])
    frames = envs.step(actions[0])[4]["frames"]
    assert np.array_equal(frames[0], runs[0][1][1])
    assert np.array_equal(frames[2], runs[0][1][0])


def test_an_episode_that_ends_begins_anew_in_the_same_step(envs: WorldVectorEnv) -> None:
    start, _ = envs.reset(seed=3)
    for step in range(1, 5):
        observations, _, terminations, truncations, infos = envs.step(envs.action_space.sample())
        assert infos["steered"].all()
        assert truncations.tolist() == [step == 4] * WORLDS
    assert not terminations.any()
    assert np.array_equal(observations, start)
    for n in range(WORLDS):
        assert np.array_equal(infos["final_obs"][n], infos["final_info"]["frames"][n][-1])
        assert not np.array_equal(infos["final_obs"][n], start[n])
    assert infos["frame_index"].tolist() == [0] * WORLDS
    assert envs.step(envs.action_space.sample())[4]["frame_index"].tolist() == [1] * WORLDS


def test_one_world_ends_and_the_others_go_on(fabric: ArcFabric, frame: np.ndarray) -> None:
    ends = iter([False, True, False, False])
    envs = WorldVectorEnv(fabric, 2, "p", frame, terminated=lambda frames, info: next(ends))
    envs.reset(seed=1)
    answer = envs.step(envs.action_space.sample())
    terminations, infos = answer[2], answer[4]
    assert terminations.tolist() == [False, True]
    assert infos["_final_obs"].tolist() == [False, True]
    assert infos["frame_index"].tolist() == [1, 0]
    assert envs.step(envs.action_space.sample())[4]["frame_index"].tolist() == [2, 1]
    envs.close()


def test_worlds_begin_at_any_checkpoint(fabric: ArcFabric, frame: np.ndarray) -> None:
    trunk = fabric.new_session("pick up the red cup", frame, seed=7)
    steps = trunk.step(2)
    with closing(WorldVectorEnv(fabric, 2, checkpoint=steps[1].checkpoint_id)) as envs:
        start, infos = envs.reset(seed=1)
        assert np.array_equal(start[0], trunk.strip(steps[1].checkpoint_id)[-1])
        envs.step(envs.action_space.sample())
        there = envs.states()
        start, infos = envs.reset(options={"checkpoint": steps[0].checkpoint_id})
        assert infos["frame_index"].tolist() == [1, 1]
        _, infos = envs.reset(options={"checkpoint": there[0], "reset_mask": np.array([False, True])})
        assert infos["_frame_index"].tolist() == [False, True]
        assert infos["frame_index"].tolist() == [0, 3]


def test_more_worlds_than_slots_leave_nothing_behind(fabric: ArcFabric, frame: np.ndarray) -> None:
    before = {session.id for session in fabric.sessions(state="open")}
    with pytest.raises(SessionLimitReached, match="9 worlds need as many session slots") as caught:
        WorldVectorEnv(fabric, 9, "p", frame)
    assert "max_open_sessions" in caught.value.hint
    assert {session.id for session in fabric.sessions(state="open")} == before


def test_a_model_that_ignores_actions_is_refused(
    fabric: ArcFabric, frame: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = fabric.model()
    card["abilities"]["steers_with_actions"] = False
    monkeypatch.setattr(fabric, "model", lambda: card)
    with pytest.raises(InvalidRequest, match="does not follow"):
        WorldVectorEnv(fabric, 2, "p", frame)
    assert fabric.sessions(state="open") == []
