"""A Gymnasium environment over one session: a world model as a simulator whose state can be cloned and restored.

>>> env = WorldEnv(ArcFabric(url), "pick up the red cup", max_steps=20)                 # doctest: +SKIP
>>> observation, info = env.reset(seed=7)                                               # doctest: +SKIP
>>> saved = env.clone_state()                                                           # doctest: +SKIP
>>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())  # doctest: +SKIP
>>> observation = env.restore_state(saved)                                              # doctest: +SKIP

It needs the extra `gym`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arc_fabric.client.fabric import ArcFabric
from arc_fabric.client.pictures import Views
from arc_fabric.client.session import RemoteSession
from arc_fabric.extras import extra

with extra("gym"):
    import gymnasium

Observation = NDArray[np.uint8]
Reward = Callable[[np.ndarray, dict[str, Any]], float]
_SEEDS = 2**31 - 1
LEASE_S = 60.0


class WorldEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """One environment step is one model step: an action chunk in, `frames_per_step` frames out.

    Observation: the step's last frame, uint8 [H, W, 3]; all its frames are in `info["frames"]`. Action: float32
    [action_horizon, action_dim]. `reward(frames, info)` gives the reward (default 0: the model judges nothing).
    It holds one session slot of the server until `close`, or until `lease_s` seconds after its process was killed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}

    def __init__(
        self,
        fabric: ArcFabric,
        prompt: str,
        initial_frame: Views | None = None,
        *,
        max_steps: int | None = None,
        lease_s: float | None = LEASE_S,
        reward: Reward | None = None,
        render_mode: str | None = "rgb_array",
    ) -> None:
        geometry = fabric.model()["geometry"]
        self.metadata = self.metadata | {"render_fps": int(geometry["fps"])}
        self.render_mode = render_mode
        self.action_space = action_space(geometry)
        size = (geometry["image_height"], geometry["image_width"], 3)
        self.observation_space = gymnasium.spaces.Box(0, 255, size, np.uint8)
        self._fabric, self._prompt, self._frame = fabric, prompt, initial_frame
        self._max_steps, self._reward, self._lease_s = max_steps, reward, lease_s
        self._session: RemoteSession | None = None
        self._seed: int | None = None
        self._steps = 0
        self._last: Observation = np.zeros(size, np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Back to the initial frame; `options`: prompt, initial_frame (both stay for later resets).

        The old trajectory stays in the tree. Without a seed one is drawn from the environment's generator.
        """
        super().reset(seed=seed)
        options = options or {}
        self._prompt = options.get("prompt", self._prompt)
        self._seed = int(self.np_random.integers(_SEEDS))
        if self._session is None or "initial_frame" in options:
            self._frame = options.get("initial_frame", self._frame)
            self.close()
            self._session = self._fabric.new_session(self._prompt, self._frame, seed=self._seed, lease_s=self._lease_s)
        elif self._session.head != self._session.info.root:
            self._session.rewind(to=self._session.info.root)
        self._steps = 0
        self._last = self._session.frame(0)
        return self._last, {"frame_index": 0, "frames": self._last[None]}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One model step with this action chunk."""
        session = self._running()
        seed, self._seed = self._seed, None
        (made,) = session.step(
            actions=[np.asarray(action)], seed=seed, prompt=self._prompt if seed is not None else None
        )
        frames = session.strip(made.checkpoint_id)
        self._last = frames[-1]
        self._steps += 1
        info = {"frame_index": made.frame_index, "frames": frames}
        reward = float(self._reward(frames, info)) if self._reward else 0.0
        truncated = self._max_steps is not None and self._steps >= self._max_steps
        return self._last, reward, False, truncated, info

    @property
    def session(self) -> RemoteSession:
        """The session behind it. Ids are not in `info`: equal actions give equal infos, but never equal ids."""
        return self._running()

    def render(self) -> Observation:
        """The last frame."""
        return self._last

    def clone_state(self) -> str:
        """A name for the present state; costs nothing and stays valid."""
        return str(self._running().head)

    def restore_state(self, state: str) -> Observation:
        """Go to a state that `clone_state` named, of this environment or of another on the same server."""
        session = self._running()
        lineage = self._fabric.checkpoint(str(session.head)).lineage
        if state in lineage:
            session.rewind(to=state)
        else:
            session.close()
            self._session = session.fork(state, lease_s=self._lease_s)
        self._last = self._running().strip(state)[-1]
        self._steps = self._running().info.frame_index
        return self._last

    def close(self) -> None:
        """Give the session slot back; the tree stays."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _running(self) -> RemoteSession:
        if self._session is None:
            raise gymnasium.error.ResetNeeded("call reset() first")
        return self._session


def action_space(geometry: dict[str, Any]) -> gymnasium.spaces.Box[np.floating[Any]]:
    """What a step takes: float32 [action_horizon, action_dim] within the model's limits."""
    shape = (geometry["action_horizon"], geometry["action_dim"])
    low = np.broadcast_to(np.float32(geometry["action_low"] or -1.0), shape)
    high = np.broadcast_to(np.float32(geometry["action_high"] or 1.0), shape)
    return gymnasium.spaces.Box(low.copy(), high.copy(), shape, np.float32)
