"""Episodes in this process: SDK sessions on one model, stepped by one thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np

from arc_fabric.ids import new_id
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import WorldModel
from arc_fabric.openpi.backend import Act, SeenFrames, frames_for, server_metadata
from arc_fabric.openpi.observation import Observation
from arc_fabric.session import Session

T = TypeVar("T")


class LocalBackend:
    """Episodes on a model of this process.

    With `closed_loop` the frames of every observation but the first stand for the block that the model
    imagined before (where the model can observe); without it the model goes on from its own imagination.
    """

    def __init__(
        self,
        model: WorldModel,
        manager: StateManager | None = None,
        *,
        closed_loop: bool = True,
        seed: int | None = None,
    ) -> None:
        """`manager` keeps the checkpoints; None: in this process."""
        self.model = model
        self.manager = manager or StateManager(model)
        self.closed_loop = closed_loop and model.abilities.observes
        self.seed = seed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="arc-openpi-model")

    def metadata(self) -> dict[str, Any]:
        """From the model."""
        card = {"name": self.model.identity().name, "geometry": asdict(self.model.geometry)}
        return server_metadata(card, closed_loop=self.closed_loop)

    def begin(self, observation: Observation) -> LocalEpisode:
        """A session whose initial frame is the last one observed."""
        return self.run(lambda: LocalEpisode(self, observation))

    def run(self, work: Callable[[], T]) -> T:
        """Do something on the model's thread."""
        return self._thread.submit(work).result()

    def close(self) -> None:
        """End the model's thread."""
        self._thread.shutdown()


class LocalEpisode:
    """One SDK session."""

    def __init__(self, backend: LocalBackend, first: Observation) -> None:
        self._backend = backend
        model = backend.model
        frame = self._fit(first.frames[-1])
        self.session = Session(new_id("ses"), model, backend.manager, first.prompt, frame, seed=backend.seed)
        self._seen = SeenFrames(model.geometry.observed_frames or model.geometry.frames_per_step)

    def act(self, observation: Observation) -> Act:
        """One step, on the model's thread."""
        return self._backend.run(lambda: self._act(observation))

    def close(self) -> None:
        """Nothing to give back: checkpoints stay with the manager."""

    def _fit(self, frame: np.ndarray) -> np.ndarray:
        """A model of one camera sees the first."""
        model = self._backend.model
        return model.fit_image(frames_for(frame, model.geometry.cameras))

    def _act(self, observation: Observation) -> Act:
        model, session = self._backend.model, self.session
        seen = self._seen.and_then([self._fit(frame) for frame in observation.frames])
        session.prompt = observation.prompt or session.prompt
        state = observation.state
        usable = state is not None and state.shape == (model.geometry.state_dim,)
        closed = self._backend.closed_loop and session.frame_index > 0
        observed = np.stack(seen.window()) if closed else None
        step = session.step(state=state if usable else None, observed=observed)
        self._seen = seen
        return Act(step.actions, session.session_id, str(step.checkpoint_id), step.frame_index, closed, usable)
