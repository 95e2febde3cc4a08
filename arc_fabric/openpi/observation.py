"""What a policy client sends, in one form whatever its dialect.

RoboArena / DROID: `observation/exterior_image_{0,1}_left`, `observation/wrist_image_left`,
`observation/joint_position`, `observation/gripper_position`, `prompt`, `session_id`, `endpoint`. OpenPI's
simulators: `observation/image`, `observation/wrist_image`, `observation/state`, `prompt`. A picture is uint8
[H, W, 3], or [T, H, W, 3] for several frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arc_fabric.errors import InvalidRequest

CAMERAS = (
    ("observation/exterior_image_0_left", "observation/image"),
    ("observation/exterior_image_1_left",),
    ("observation/wrist_image_left", "observation/wrist_image"),
)
"""Names of each camera, in the order in which models take them."""


@dataclass(frozen=True)
class Observation:
    """One call's input."""

    frames: list[np.ndarray]
    """New frames since the last call, each uint8 [h, w, 3] (one camera) or [V, h, w, 3]."""
    prompt: str
    state: np.ndarray | None
    """float32 [n]: joints and gripper, or what the client calls its state."""


def read_observation(message: Mapping[str, Any]) -> Observation:
    """Read an observation. Raises InvalidRequest."""
    prompt = message.get("prompt", "")
    if isinstance(prompt, np.ndarray) and prompt.size == 1:
        prompt = str(prompt.reshape(-1)[0])
    if not isinstance(prompt, str):
        raise InvalidRequest(f"prompt must be a string, got {type(prompt).__name__}.")
    return Observation(_frames(message), prompt, _state(message))


def episode_name(message: Mapping[str, Any]) -> str | None:
    """The client's `session_id` as text; None where it sends none."""
    value = message.get("session_id")
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else None
    return None if value is None else str(value)


def _frames(message: Mapping[str, Any]) -> list[np.ndarray]:
    views = [_picture(message, names) for names in CAMERAS]
    given = [view for view in views if view is not None]
    if not given:
        raise InvalidRequest(
            "The observation has no picture.", hint="Send observation/exterior_image_0_left or observation/image."
        )
    if len({view.shape for view in given}) != 1:
        raise InvalidRequest(f"All cameras must send one shape, got {[list(view.shape) for view in given]}.")
    if len(given) == 1:
        return list(given[0])
    black = np.zeros_like(given[0])
    last = max(i for i, view in enumerate(views) if view is not None)
    return list(np.stack([black if view is None else view for view in views[: last + 1]], axis=1))


def _picture(message: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray | None:
    """uint8 [T, h, w, 3] of one camera."""
    found = next((np.asarray(message[name]) for name in names if name in message), None)
    if found is None:
        return None
    picture = found[None] if found.ndim == 3 else found
    if picture.dtype != np.uint8 or picture.ndim != 4 or picture.shape[3] != 3 or 0 in picture.shape:
        raise InvalidRequest(f"{names[0]} must be uint8 [H, W, 3] or [T, H, W, 3], got {found.dtype} {found.shape}.")
    return picture


def _state(message: Mapping[str, Any]) -> np.ndarray | None:
    parts = [message.get("observation/joint_position"), message.get("observation/gripper_position")]
    if parts[0] is None:
        parts = [message.get("observation/state")]
    numbers = [np.asarray(part, np.float32).reshape(-1) for part in parts if part is not None]
    return np.concatenate(numbers) if numbers else None
