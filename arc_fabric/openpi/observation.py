"""What a policy client sends, in one form whatever its dialect.

RoboArena / DROID: `observation/exterior_image_{0,1}_left`, `observation/wrist_image_left`,
`observation/joint_position`, `observation/gripper_position`, `prompt`, `session_id`, `endpoint`. OpenPI's
simulators: `observation/image`, `observation/wrist_image`, `observation/state`, `prompt`. A picture is uint8
[H, W, 3], or [T, H, W, 3] for several frames. Ours: `resume`, in the first observation of an episode.
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
    resume: str | None = None
    """The session (`ses_...`) or checkpoint (`ckp_...`) that an episode goes on from."""


def read_observation(message: Mapping[str, Any]) -> Observation:
    """Read an observation. Raises InvalidRequest."""
    prompt = message.get("prompt", "")
    if isinstance(prompt, np.ndarray) and prompt.size == 1:
        prompt = str(prompt.reshape(-1)[0])
    if not isinstance(prompt, str):
        raise InvalidRequest(f"prompt must be a string, got {type(prompt).__name__}.")
    return Observation(_frames(message), prompt, _state(message), _text(message.get("resume")))


def episode_name(message: Mapping[str, Any]) -> str | None:
    """The client's `session_id` as text; None where it sends none."""
    return _text(message.get("session_id"))


def _text(value: Any) -> str | None:
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
        shapes = ", ".join(f"{name} {list(view.shape)}" for name, view in zip(_sent(message), given, strict=True))
        raise InvalidRequest(f"All cameras must send one shape, got {shapes}.")
    if len(given) == 1:
        return list(given[0])
    black = np.zeros_like(given[0])
    last = max(i for i, view in enumerate(views) if view is not None)
    return list(np.stack([black if view is None else view for view in views[: last + 1]], axis=1))


def _picture(message: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray | None:
    """uint8 [T, h, w, 3] of one camera."""
    name = next((name for name in names if name in message), None)
    if name is None:
        return None
    found = _array(message[name], name)
    picture = found[None] if found.ndim == 3 else found
    if picture.dtype != np.uint8 or picture.ndim != 4 or picture.shape[3] != 3 or 0 in picture.shape:
        raise InvalidRequest(f"{name} must be uint8 [H, W, 3] or [T, H, W, 3], got {found.dtype} {list(found.shape)}.")
    return picture


def _sent(message: Mapping[str, Any]) -> list[str]:
    """The names under which the client sent its cameras, in the order of `CAMERAS`."""
    return [next(name for name in names if name in message) for names in CAMERAS if any(n in message for n in names)]


def _array(value: Any, name: str, dtype: type | None = None) -> np.ndarray:
    try:
        return np.asarray(value, dtype)
    except (TypeError, ValueError) as error:  # ragged, or no numbers
        raise InvalidRequest(f"{name} is not an array of numbers: {error}.") from error


def _state(message: Mapping[str, Any]) -> np.ndarray | None:
    names = ["observation/joint_position", "observation/gripper_position"]
    if message.get(names[0]) is None:
        names = ["observation/state"]
    given = [name for name in names if message.get(name) is not None]
    numbers = [_array(message[name], name, np.float32).reshape(-1) for name in given]
    for name, part in zip(given, numbers, strict=True):
        if not np.isfinite(part).all():
            raise InvalidRequest(f"{name} has numbers that are not finite (NaN or infinite).")
    return np.concatenate(numbers) if numbers else None
