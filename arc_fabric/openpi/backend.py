"""Who acts for the policy server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from arc_fabric.openpi.observation import Observation


@dataclass(frozen=True)
class Act:
    """The answer to one observation, and where to find it again."""

    actions: np.ndarray
    """float32 [action_horizon, action_dim]."""
    session_id: str
    checkpoint_id: str
    frame_index: int
    closed_loop: bool
    """Whether the frames of this observation replaced the imagined ones."""
    state_used: bool
    """False when no state came, or one of another robot's width."""


class Episode(Protocol):
    """One episode. Calls come one at a time."""

    def act(self, observation: Observation) -> Act:
        """One call: take the observation, checkpoint, give the actions."""

    def close(self) -> None:
        """The episode is over; its checkpoints stay."""


class Backend(Protocol):
    """Makes episodes. Thread-safe."""

    def metadata(self) -> dict[str, Any]:
        """What the server tells a client first."""

    def begin(self, observation: Observation) -> Episode:
        """A new episode from its first observation, which `act` gets as well."""


def frames_for(frame: np.ndarray, cameras: int) -> np.ndarray:
    """What a model of so many cameras sees of a frame [h, w, 3] or [V, h, w, 3]: of too many the first ones; black
    pictures for those that a client does not have."""
    if frame.ndim == 3:
        return frame
    if cameras == 1:
        only: np.ndarray = frame[0]
        return only
    missing = max(0, cameras - len(frame))
    return np.concatenate([frame[:cameras], np.zeros((missing, *frame.shape[1:]), frame.dtype)])


class SeenFrames:
    """The latest `count` real frames; while there are fewer, the oldest stands for those before it.

    A value: a call that fails leaves the episode's frames as they were.
    """

    def __init__(self, count: int, frames: Iterable[np.ndarray] = ()) -> None:
        self._frames = deque(frames, maxlen=count)

    def and_then(self, frames: list[np.ndarray]) -> SeenFrames:
        """With new frames. Where their shape changes (other cameras or sizes), the ones before are forgotten."""
        after = SeenFrames(self._frames.maxlen or 0, self._frames)
        for frame in frames:
            if after._frames and after._frames[-1].shape != frame.shape:
                after._frames.clear()
            after._frames.append(frame)
        return after

    def window(self) -> list[np.ndarray]:
        """Exactly `count` frames, oldest first."""
        missing = (self._frames.maxlen or 0) - len(self._frames)
        return [self._frames[0]] * missing + list(self._frames)


def server_metadata(card: dict[str, Any], *, closed_loop: bool) -> dict[str, Any]:
    """RoboArena's configuration fields and ours, from a model card {name, geometry}."""
    geometry = card["geometry"]
    cameras = geometry.get("cameras", 1)
    droid = cameras == 3
    return {
        "image_resolution": None if droid else [geometry["image_height"], geometry["image_width"]],
        "needs_wrist_camera": droid,
        "n_external_cameras": 2 if droid else 1,
        "needs_stereo_camera": False,
        "needs_session_id": True,
        "action_space": "joint_position" if droid else "model",
        "action_horizon": geometry["action_horizon"],
        "action_dim": geometry["action_dim"],
        "action_names": list(geometry.get("action_names", ())),
        "state_dim": geometry["state_dim"],
        "server": "arc-fabric",
        "model": card["name"],
        "closed_loop": closed_loop,
    }
