"""Many worlds from one state as a Gymnasium vector environment: groups of rollouts for training.

>>> envs = WorldVectorEnv(ArcFabric(url), 16, "pick up the red cup", max_steps=20)      # doctest: +SKIP
>>> observations, infos = envs.reset(seed=7)                                            # doctest: +SKIP
>>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())  # doctest: +SKIP
>>> observations, infos = envs.reset(options={"checkpoint": checkpoint_id})             # doctest: +SKIP

All worlds step in one request. It needs the extra `gym`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arc_fabric.client.env import LEASE_S, Reward, action_space
from arc_fabric.client.fabric import ArcFabric
from arc_fabric.client.many import Slot, SlotResult
from arc_fabric.client.pictures import Views
from arc_fabric.client.session import RemoteSession
from arc_fabric.errors import ArcFabricError, InvalidRequest, SessionLimitReached
from arc_fabric.extras import extra

with extra("gym"):
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space

Frames = NDArray[np.uint8]
_SEEDS = 2**31 - 1


class WorldVectorEnv(VectorEnv[Frames, NDArray[np.float32], NDArray[Any]]):
    """`num_envs` worlds that begin in one state; each step is one model step of each.

    Observations: the last frame of each step, uint8 [N, H, W, 3]; all frames are in `infos["frames"]`. Actions: float32
    [N, action_horizon, action_dim]. `reward(frames, info)` is asked per world (default 0: the model judges nothing). A
    world whose episode ends (`max_steps`, or `terminated(frames, info)`) is reset in the same step:
    `infos["final_obs"]` has its last observation. `infos["steered"]` says whether the given action steered the world.

    Every world takes a session slot of the server until `close`, or `lease_s` seconds after this process was killed.
    """

    def __init__(
        self,
        fabric: ArcFabric,
        num_envs: int,
        prompt: str | None = None,
        initial_frame: Views | None = None,
        *,
        checkpoint: str | None = None,
        max_steps: int | None = None,
        reward: Reward | None = None,
        terminated: Reward | None = None,
        lease_s: float | None = LEASE_S,
    ) -> None:
        """The worlds begin at `checkpoint`, or with `prompt` and `initial_frame` (None: the first sample).

        Raises InvalidRequest for a model that does not follow given actions, and SessionLimitReached where so many
        sessions are not free; nothing is left open then.
        """
        card = fabric.model()
        if not card["abilities"]["steers_with_actions"]:
            raise InvalidRequest(
                f"The model {card['name']} records given actions and does not follow them: it is no environment.",
                hint="Serve a model whose abilities.steers_with_actions is true.",
            )
        if checkpoint is None and prompt is None:
            raise InvalidRequest("Worlds begin somewhere.", hint="Give prompt (and initial_frame), or checkpoint.")
        geometry = card["geometry"]
        size = (geometry["image_height"], geometry["image_width"], 3)
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_fps": int(geometry["fps"])}
        self.single_action_space = action_space(geometry)
        self.single_observation_space = gymnasium.spaces.Box(0, 255, size, np.uint8)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._fabric, self._prompt, self._lease_s = fabric, prompt, lease_s
        self._max_steps, self._reward, self._terminated = max_steps, reward, terminated
        self._worlds: list[RemoteSession] = []
        self._made_here = checkpoint is None
        self._at = checkpoint or ""
        self._last: Frames = np.zeros((num_envs, *size), np.uint8)
        self._steps = np.zeros(num_envs, np.int64)
        self._seeds: list[int | None] = [None] * num_envs
        self._generators = [np.random.default_rng(n) for n in range(num_envs)]
        self._open(initial_frame)

    @property
    def sessions(self) -> list[RemoteSession]:
        """The session of each world."""
        return list(self._worlds)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """All worlds back to the state that they began in. What they did stays in the tree.

        A `seed` n gives world i the seed n + i, a list one each; the same seeds and actions give the same bits.
        Options: `checkpoint`, any one of the tree, where they begin from now on; `prompt`; `reset_mask`, bool [N]: only
        these worlds.
        """
        super().reset(seed=seed if isinstance(seed, int) else None)
        options = options or {}
        self._prompt = options.get("prompt", self._prompt)
        self._at = options.get("checkpoint", self._at)
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs, bool)))
        chosen: list[int] = np.flatnonzero(mask).tolist()
        seeds = [seed + n for n in range(self.num_envs)] if isinstance(seed, int) else seed or [None] * self.num_envs
        for n in chosen:
            if seeds[n] is not None:
                self._generators[n] = np.random.default_rng(seeds[n])
        observations, infos = self._last.copy(), dict[str, Any]()
        for n, result in self._begin_again(chosen).items():
            frames = _frames_of(result)
            observations[n] = frames[-1]
            infos = self._add_info(infos, {"frame_index": result.frame_index}, n)
        self._last = observations.copy()
        return observations, infos

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Frames, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """One model step of every world with its action chunk. Raises the error of the first world that failed; the
        others have stepped then."""
        results = self._together([
            Slot(world, np.asarray(action), seed=seed, prompt=self._prompt if seed is not None else None)
            for world, action, seed in zip(self._worlds, actions, self._seeds, strict=True)
        ])  # fmt: skip
        self._seeds = [None] * self.num_envs
        self._steps += 1
        observations: Frames = np.zeros_like(self._last)
        rewards, terminations = np.zeros(self.num_envs), np.zeros(self.num_envs, bool)
        infos: dict[str, Any] = {}
        told: list[dict[str, Any]] = []
        for n, result in enumerate(results):
            frames = _frames_of(result)
            info = {"frame_index": result.frame_index, "frames": frames, "steered": bool(result.steered)}
            observations[n] = frames[-1]
            rewards[n] = self._reward(frames, info) if self._reward else 0.0
            terminations[n] = bool(self._terminated(frames, info)) if self._terminated else False
            told.append(info)
        truncations = (self._steps >= self._max_steps) if self._max_steps is not None else np.zeros(self.num_envs, bool)
        over = np.flatnonzero(terminations | truncations).tolist()
        begun = self._begin_again(over)
        for n, info in enumerate(told):
            if n in begun:
                infos = self._add_info(infos, {"final_obs": observations[n].copy(), "final_info": info}, n)
                observations[n] = _frames_of(begun[n])[-1]
                info = info | {"frame_index": begun[n].frame_index}
            infos = self._add_info(infos, info, n)
        self._last = observations.copy()
        return observations, rewards, terminations, truncations, infos

    def states(self) -> list[str]:
        """A name for the present state of each world; any of them can be `options["checkpoint"]` of a reset."""
        return [str(world.refresh().head) for world in self._worlds]

    def close_extras(self, **kwargs: Any) -> None:
        """Give the session slots back; the tree stays."""
        worlds, self._worlds = self._worlds, []
        for world in worlds:
            world.close()

    def _open(self, initial_frame: Views | None) -> None:
        """All worlds, or none."""
        try:
            if self._made_here:
                first = self._fabric.new_session(str(self._prompt), initial_frame, lease_s=self._lease_s)
                self._worlds.append(first)
                self._at = str(first.head)
            while len(self._worlds) < self.num_envs:
                self._worlds.append(self._fabric.open(self._at, lease_s=self._lease_s, spread=True))
        except SessionLimitReached as error:
            self.close_extras()
            raise SessionLimitReached(
                f"{self.num_envs} worlds need as many session slots: {error.message}",
                hint="Ask for fewer worlds, close other sessions, or raise the setting max_open_sessions.",
                **error.context,
            ) from error
        except BaseException:
            self.close_extras()
            raise

    def _begin_again(self, numbers: list[int]) -> dict[int, SlotResult]:
        """These worlds go back to where they begin; each draws the seed of its coming episode."""
        if not numbers:
            return {}
        results = self._together([Slot(self._worlds[n], reset_to=self._at, step=False) for n in numbers])
        for n in numbers:
            self._steps[n] = 0
            self._seeds[n] = int(self._generators[n].integers(_SEEDS))
        return dict(zip(numbers, results, strict=True))

    def _together(self, slots: list[Slot]) -> list[SlotResult]:
        if len(self._worlds) < self.num_envs:
            raise gymnasium.error.ClosedEnvironmentError("the environment is closed")
        done: list[SlotResult] = []
        for result in self._fabric.step_many(slots):
            if isinstance(result, ArcFabricError):
                raise result
            done.append(result)
        return done


def _frames_of(result: SlotResult) -> Frames:
    assert result.frames is not None  # it was asked for
    return result.frames
