"""Who acts for the policy server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image

from arc_fabric.errors import InvalidRequest
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

    def resume(self) -> None:
        """Go on after `close`; nothing to do where the episode is open."""

    def close(self) -> None:
        """Nobody plays it now; its checkpoints stay."""


class Backend(Protocol):
    """Makes episodes. Thread-safe."""

    def metadata(self) -> dict[str, Any]:
        """What the server tells a client first."""

    def begin(self, observation: Observation) -> Episode:
        """A new episode from its first observation, which `act` gets as well; where the observation names a session or
        a checkpoint to resume, it goes on from there."""

    def warm_up(self) -> None:
        """Have the first call take no longer than the others."""


def frames_for(frame: np.ndarray, cameras: int, size: tuple[int, int]) -> np.ndarray:
    """What a model of so many cameras sees of a frame [h, w, 3] or [V, h, w, 3]: of too many the first ones; black
    pictures for those that a client does not have. Larger pictures than the model's (height, width) are scaled down so
    that they still cover it: in this process and on the way to a server alike, so that both have the same bits."""
    frame = scaled(frame, size)
    if frame.ndim == 3:
        return frame
    if cameras == 1:
        only: np.ndarray = frame[0]
        return only
    missing = max(0, cameras - len(frame))
    return np.concatenate([frame[:cameras], np.zeros((missing, *frame.shape[1:]), frame.dtype)])


def scaled(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 [..., h, w, 3] in the proportions that it has, no larger than it takes to cover (height, width)."""
    tall, wide = frame.shape[-3:-1]
    factor = max(size[0] / tall, size[1] / wide)
    if factor >= 1:
        return frame
    to = max(1, round(wide * factor)), max(1, round(tall * factor))
    views = frame.reshape(-1, tall, wide, 3)
    small = [np.asarray(Image.fromarray(view).resize(to, Image.Resampling.BOX)) for view in views]
    return np.stack(small).reshape(*frame.shape[:-3], to[1], to[0], 3)


def require_prompt(prompt: str, most: int) -> str:
    """A prompt that a session can begin with, checked as the server checks it. Raises InvalidRequest."""
    if not prompt:
        raise InvalidRequest("The first observation of an episode needs a prompt.", hint="Send it as 'prompt'.")
    if len(prompt) > most:
        raise InvalidRequest(
            f"prompt has {len(prompt)} characters; at most {most} are accepted (max_prompt_chars).",
            hint="Send a shorter one.",
        )
    return prompt


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
