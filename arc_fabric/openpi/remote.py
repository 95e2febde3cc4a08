"""Episodes as sessions of a running Arc Fabric: workers, storage and the tree in the browser, over HTTP.

The step request carries no observed frames yet, so that these episodes are imagined from their first
observation on: prompt and state of every call count, its pictures do not (`closed_loop` is False in the
metadata and in each answer).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arc_fabric.client import ArcFabric
from arc_fabric.openpi.backend import Act, server_metadata
from arc_fabric.openpi.observation import Observation


class RemoteBackend:
    """Episodes through `arc_fabric.client`."""

    def __init__(self, fabric: ArcFabric, *, seed: int | None = None, label: str = "openpi episode") -> None:
        self._fabric = fabric
        self._seed = seed
        self._label = label
        self._card = fabric.model()

    def metadata(self) -> dict[str, Any]:
        """From the server's model card."""
        return server_metadata(self._card, closed_loop=False)

    def begin(self, observation: Observation) -> RemoteEpisode:
        """Open a session; SessionLimitReached when all slots are taken."""
        return RemoteEpisode(self._fabric, self._card["geometry"]["state_dim"], observation, self._seed, self._label)


class RemoteEpisode:
    """One session on the server."""

    def __init__(self, fabric: ArcFabric, state_dim: int, first: Observation, seed: int | None, label: str) -> None:
        self._fabric = fabric
        self._state_dim = state_dim
        frame = first.frames[-1]
        picture = frame if frame.ndim == 3 else frame[0]
        self.session = fabric.new_session(first.prompt, picture, seed=seed, label=label)

    def act(self, observation: Observation) -> Act:
        """One step job; its actions are read from the committed node."""
        state = observation.state
        usable = state is not None and state.shape == (self._state_dim,)
        prompt = observation.prompt if observation.prompt not in ("", self.session.info.prompt) else None
        step = self.session.step(1, state=state.tolist() if usable else None, prompt=prompt)[-1]
        actions = np.asarray(self._fabric.checkpoint(step.checkpoint_id).actions, np.float32)
        return Act(actions, self.session.id, step.checkpoint_id, step.frame_index, False, usable)

    def close(self) -> None:
        """Close the session: its slot is free, its tree stays."""
        self.session.close()
