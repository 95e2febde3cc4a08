"""Episodes in this process: SDK sessions on one model, stepped by one thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np

from arc_fabric.errors import CheckpointNotFound
from arc_fabric.ids import new_id
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import Model
from arc_fabric.openpi.backend import Act, SeenFrames, frames_for, require_prompt, server_metadata
from arc_fabric.openpi.observation import Observation
from arc_fabric.session import Session
from arc_fabric.settings import Settings

T = TypeVar("T")
MAX_PROMPT_CHARS: int = Settings.model_fields["max_prompt_chars"].default
"""As a server's, where nothing else is set there."""


class LocalBackend:
    """Episodes on a model of this process.

    With `closed_loop` the frames of every observation but the first stand for the block that the model
    imagined before (where the model can observe); without it the model goes on from its own imagination.
    """

    def __init__(
        self,
        model: Model,
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

    def warm_up(self) -> None:
        """Two steps of a grey world that is thrown away: the second in a closed loop, as later calls are."""

        def steps() -> None:
            manager, geometry = StateManager(self.model), self.model.geometry
            grey = np.full((geometry.image_height, geometry.image_width, 3), 128, np.uint8)
            session = Session("warm-up", self.model, manager, "warm up", grey)
            session.step(auto_checkpoint=False)
            count = geometry.observed_frames or geometry.frames_per_step
            session.step(auto_checkpoint=False, observed=np.stack([grey] * count) if self.closed_loop else None)
            manager.clear()
            manager.store.close()

        self.run(steps)

    def run(self, work: Callable[[], T]) -> T:
        """Do something on the model's thread."""
        return self._thread.submit(work).result()

    def checkpoint_of(self, name: str) -> str:
        """A checkpoint's id, or the latest checkpoint of a session. Raises CheckpointNotFound."""
        if name.startswith("ckp_"):
            return name
        made = self.manager.list_checkpoints(name)
        if not made:
            raise CheckpointNotFound(f"This server knows no session or checkpoint {name!r} to resume.")
        return made[-1].checkpoint_id

    def close(self) -> None:
        """End the model's thread."""
        self._thread.shutdown()


class LocalEpisode:
    """One SDK session."""

    def __init__(self, backend: LocalBackend, first: Observation) -> None:
        self._backend = backend
        model, manager, new = backend.model, backend.manager, new_id("ses")
        if first.resume is None:
            prompt, frame = require_prompt(first.prompt, MAX_PROMPT_CHARS), self._fit(first.frames[-1])
            self.session = Session(new, model, manager, prompt, frame, seed=backend.seed)
        else:
            self.session = Session.from_checkpoint(new, model, manager, backend.checkpoint_of(first.resume))
        self._seen = SeenFrames(model.geometry.observed_frames or model.geometry.frames_per_step)

    def act(self, observation: Observation) -> Act:
        """One step, on the model's thread."""
        return self._backend.run(lambda: self._act(observation))

    def resume(self) -> None:
        """It was never closed."""

    def close(self) -> None:
        """Nothing to give back: checkpoints stay with the manager."""

    def _fit(self, frame: np.ndarray) -> np.ndarray:
        """A model of one camera sees the first."""
        model = self._backend.model
        size = model.geometry.image_height, model.geometry.image_width
        return model.fit_image(frames_for(frame, model.geometry.cameras, size))

    def _act(self, observation: Observation) -> Act:
        model, session = self._backend.model, self.session
        seen = self._seen.and_then([self._fit(frame) for frame in observation.frames])
        session.prompt = require_prompt(observation.prompt or session.prompt, MAX_PROMPT_CHARS)
        state = observation.state
        usable = state is not None and state.shape == (model.geometry.state_dim,)
        closed = self._backend.closed_loop and session.frame_index > 0
        observed = np.stack(seen.window()) if closed else None
        step = session.step(state=state if usable else None, observed=observed)
        self._seen = seen
        return Act(step.actions, session.session_id, str(step.checkpoint_id), step.frame_index, closed, usable)
