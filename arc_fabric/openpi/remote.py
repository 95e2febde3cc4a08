"""Episodes as sessions of a running Arc Fabric: workers, storage and the tree in the browser, over HTTP."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from arc_fabric.client import ArcFabric
from arc_fabric.client.session import RemoteSession
from arc_fabric.openpi.backend import Act, SeenFrames, frames_for, require_prompt, server_metadata
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

    def warm_up(self) -> None:
        """A worker warms its model up before it takes work."""

    def begin(self, observation: Observation) -> RemoteEpisode:
        """Open a session; SessionLimitReached when all slots are taken."""
        return RemoteEpisode(self, observation)


class RemoteEpisode:
    """One session on the server."""

    def __init__(self, backend: RemoteBackend, first: Observation) -> None:
        self._backend = backend
        self._geometry = backend.card["geometry"]
        self._seen = SeenFrames(self._geometry.get("observed_frames") or self._geometry["frames_per_step"])
        self._open = True
        self.session = self._begin(first)

    def _begin(self, first: Observation) -> RemoteSession:
        """A new world, a fork of a checkpoint, or a session that is there, opened again."""
        backend = self._backend
        if first.resume is None:
            prompt, frame = require_prompt(first.prompt, sys.maxsize), self._given(first.frames[-1])
            options: dict[str, Any] = {"seed": backend.seed, "label": backend.label, "lease_s": LEASE_S}
            return backend.fabric.new_session(prompt, frame, **options)
        if first.resume.startswith("ckp_"):
            owner = backend.fabric.checkpoint(first.resume).session_id
            return backend.fabric.session(owner).fork(first.resume, label=backend.label, lease_s=LEASE_S)
        session = backend.fabric.session(first.resume)
        if session.info.state == "closed":
            session.reopen(lease_s=LEASE_S)
        session.keep_alive()
        return session

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

    def resume(self) -> None:
        """Open the session again where `close` closed it."""
        if not self._open:
            self.session.reopen(lease_s=LEASE_S)
            self._open = True

    def close(self) -> None:
        """Close the session: its slot is free, its tree stays."""
        if self._open:
            self._open = False
            self.session.close()

    def _given(self, frame: np.ndarray) -> np.ndarray:
        size = self._geometry["image_height"], self._geometry["image_width"]
        return frames_for(frame, self._geometry.get("cameras", 1), size)
