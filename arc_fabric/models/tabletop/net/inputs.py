"""Checked inputs: pictures, states and actions as people give them, as the tensors of a call."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from arc_fabric.errors import InvalidImage, InvalidRequest
from arc_fabric.models.tabletop.world.limits import MAX_STEP, SIZE


def fit_image(image: np.ndarray) -> np.ndarray:
    """uint8 RGB [h, w, 3] of any size -> its middle square as uint8 [64, 64, 3]."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 1:
        raise InvalidImage(f"An image is uint8 [height, width, 3]; got {image.dtype} {list(image.shape)}.")
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    if side == SIZE:
        return square
    return np.asarray(Image.fromarray(square).resize((SIZE, SIZE), Image.Resampling.BOX))


def checked_frames(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [T, 64, 64, 3] in one piece of memory; raises InvalidImage for anything else."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (SIZE, SIZE, 3):
        raise InvalidImage(
            f"Frames are uint8 [T, {SIZE}, {SIZE}, 3] (see fit_image); got {frames.dtype} {list(frames.shape)}."
        )
    return np.ascontiguousarray(frames)


def checked_values(values: np.ndarray, shape: tuple[int, ...], name: str) -> Tensor:
    """A copy as float32 of this shape; raises InvalidRequest for other shapes and numbers that are not finite."""
    with np.errstate(over="ignore"):
        array = np.asarray(values, np.float32)
    if array.shape != shape:
        raise InvalidRequest(f"The {name} must have shape {list(shape)}; got {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise InvalidRequest(f"The {name} has numbers that are not finite as 32-bit floats.")
    return torch.from_numpy(array.copy())


def language_inputs(text: Tensor, embodiment_id: int) -> dict[str, Tensor]:
    """Word ids [1, L] with the masks and the empty prompt that DreamZero's surface asks for."""
    return {
        "embodiment_id": torch.tensor([embodiment_id]),
        "text": text,
        "text_attention_mask": (text > 0).long(),
        "text_negative": torch.zeros_like(text),
        "text_attention_mask_negative": torch.zeros_like(text),
    }


def unit_actions(actions: Tensor) -> Tensor:
    """Actions [..., 4] in pixels per frame and grip -> what the transformer takes, in [-1, 1]."""
    return torch.cat([actions[..., :3] / MAX_STEP, actions[..., 3:]], -1).float().clamp(-1, 1)


def told_state(inputs: Mapping[str, Tensor]) -> Tensor:
    """State of each row and 1, [B, 5]; zeros where it is not told."""
    rows = len(inputs["text"])
    if "state" not in inputs:
        return torch.zeros(rows, 5)
    state = inputs["state"][:, -1].float()
    return torch.cat([state, torch.ones_like(state[:, :1])], 1)
