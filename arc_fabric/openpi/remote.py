"""Episodes as sessions of a running Arc Fabric: workers, storage and the tree in the browser, over HTTP."""

from __future__ import annotations

from typing import Any

import numpy as np

from arc_fabric.client import ArcFabric
from arc_fabric.openpi.backend import Act, SeenFrames, frames_for, server_metadata
from arc_fabric.openpi.observation import Observation

LEASE_S = 60.0
"""An endpoint that was killed keeps the slots of its episodes no longer than this."""


class RemoteBackend:
    """Episodes through `arc_fabric.client`; the loop is closed as in `LocalBackend`."""

    def __init__(
        self, fabric: ArcFabric, *, closed_loop: bool = True, seed: int | None = None, label: str = "openpi episode"
    ) -> None:
        self.fabric = fabric
        self.card = fabric.model()
        self.closed_loop = closed_loop and bool(self.card["abilities"].get("observes"))
        self.seed = seed
        self.label = label

    def metadata(self) -> dict[str, Any]:
        """From the server's model card."""
        return server_metadata(self.card, closed_loop=self.closed_loop)

    def begin(self, observation: Observation) -> RemoteEpisode:
        """Open a session; SessionLimitReached when all slots are taken."""
        return RemoteEpisode(self, observation)


class RemoteEpisode:
    """One session on the server."""

    def __init__(self, backend: RemoteBackend, first: Observation) -> None:
        self._backend = backend
        self._geometry = backend.card["geometry"]
        self._seen = SeenFrames(self._geometry.get("observed_frames") or self._geometry["frames_per_step"])
        frame = self._given(first.frames[-1])
        self.session = backend.fabric.new_session(
            first.prompt, frame, seed=backend.seed, label=backend.label, lease_s=LEASE_S
        )

    def act(self, observation: Observation) -> Act:
        """One step job; its actions are read from the committed node."""
        seen = self._seen.and_then([self._given(frame) for frame in observation.frames])
        state = observation.state
        fitting = state if state is not None and state.shape == (self._geometry["state_dim"],) else None
        prompt = observation.prompt if observation.prompt not in ("", self.session.info.prompt) else None
        closed = self._backend.closed_loop and self.session.info.frame_index > 0
        step = self.session.step(
            1, state=None if fitting is None else fitting.tolist(), prompt=prompt,
            observed=[seen.window()] if closed else None,
        )[-1]  # fmt: skip
        self._seen = seen
        actions = np.asarray(self._backend.fabric.checkpoint(step.checkpoint_id).actions, np.float32)
        return Act(actions, self.session.id, step.checkpoint_id, step.frame_index, closed, fitting is not None)

    def close(self) -> None:
        """Close the session: its slot is free, its tree stays."""
        self.session.close()

    def _given(self, frame: np.ndarray) -> np.ndarray:
        return frames_for(frame, self._geometry.get("cameras", 1))
