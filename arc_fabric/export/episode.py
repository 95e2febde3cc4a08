"""A branch as an export takes it: video frames, each with the action that leads to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from arc_fabric.errors import InvalidRequest


class NodeLike(Protocol):
    """What is read of a checkpoint; records of the ledger and of the client have it."""

    id: str
    frame_index: int
    prompt: str
    seed: int | None
    model_settings: dict[str, float]
    actions: list[list[float]] | None
    state: list[float] | None
    n_frames: int
    score: float | None
    failed: bool


@dataclass(frozen=True)
class Episode:
    """The steps of a branch after the checkpoint `start`."""

    name: str
    start: NodeLike
    steps: Sequence[NodeLike]
    frames_of: Callable[[str], np.ndarray]
    """Checkpoint id -> the frames its step added, uint8 [F, H, W, 3]."""
    score: float | None = None
    verdict: bool | None = None

    @property
    def task(self) -> str:
        """The prompt of its last step."""
        return self.steps[-1].prompt

    @property
    def length(self) -> int:
        """Rows: as many frames as its steps added. The last frame has no action after it and is no row; the frame that
        it starts from is the first."""
        return sum(step.n_frames for step in self.steps)

    def frames(self) -> Iterator[np.ndarray]:
        """One frame per row, uint8 [H, W, 3]."""
        last = self.frames_of(self.start.id)[-1]
        for step in self.steps:
            for frame in self.frames_of(step.id):
                yield last
                last = frame

    def actions(self) -> np.ndarray:
        """The action of each row, float32 [length, action_dim]: of a step's actions each holds for as many of its
        frames."""
        return np.concatenate([_spread(step.actions, step) for step in self.steps])

    def states(self) -> np.ndarray | None:
        """The robot's state in each row, float32 [length, state_dim], as it was given with the step; None where a step
        has none."""
        if any(step.state is None for step in self.steps):
            return None
        return np.concatenate([np.tile(np.asarray(step.state, np.float32), (step.n_frames, 1)) for step in self.steps])

    def facts(self) -> dict[str, Any]:
        """Where it comes from."""
        last = self.steps[-1]
        return {"name": self.name, "start": self.start.id, "head": last.id, "prompt": self.task, "seed": last.seed,
                "model_settings": last.model_settings, "steps": len(self.steps), "score": self.score,
                "verdict": self.verdict}  # fmt: skip


def _spread(actions: list[list[float]] | None, step: NodeLike) -> np.ndarray:
    if not actions:
        raise InvalidRequest(f"The step of {step.id} has no actions: it cannot be a row of a dataset.")
    given = np.asarray(actions, np.float32)
    return given[np.arange(step.n_frames) * len(given) // step.n_frames]


def episode_of(
    path: Sequence[NodeLike],
    frames_of: Callable[[str], np.ndarray],
    *,
    name: str,
    steps: int | None = None,
    score: float | None = None,
    verdict: bool | None = None,
) -> Episode:
    """The last `steps` steps (default: all) of a path from the root. Raises InvalidRequest where there is no step."""
    count = len(path) - 1 if steps is None else steps
    if not 1 <= count < len(path):
        raise InvalidRequest(f"{name} has no steps to export.", hint="Step it first.")
    end = path[-1]
    return Episode(
        name, path[-count - 1], path[-count:], frames_of, end.score if score is None else score,
        (False if end.failed else None) if verdict is None else verdict,
    )  # fmt: skip
