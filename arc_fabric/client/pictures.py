"""Pictures as the server takes them: `sample:<name>`, or a file in base64; one per camera where there are several."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arc_fabric.media.frames import encode_png

Image = str | bytes | Path | np.ndarray
"""`sample:<name>`, the path or the bytes of a PNG, JPEG or WebP, or uint8 [H, W, 3]."""
Views = Image | Sequence[Image]
"""One picture, or one per camera: a list, or uint8 [V, H, W, 3]."""
Frames = Sequence[Views] | np.ndarray
"""The real frames of one step: a list, or uint8 [T, H, W, 3] or [T, V, H, W, 3]."""


def picture_of(views: Views) -> str | list[str]:
    """One picture, or one per camera, as the API takes it."""
    if isinstance(views, (list, tuple)) or (isinstance(views, np.ndarray) and views.ndim == 4):
        return [_text(view) for view in views]
    return _text(views)  # type: ignore[arg-type]  # a list or tuple was answered above


def frames_of(frames: Frames) -> list[str | list[str]]:
    """The real frames of one step as the API takes them."""
    return [picture_of(views) for views in frames]


def _text(image: Image) -> str:
    if isinstance(image, str) and image.startswith("sample:"):
        return image
    if isinstance(image, np.ndarray):
        data = encode_png(image)
    elif isinstance(image, bytes):
        data = image
    else:
        data = Path(image).read_bytes()
    return base64.b64encode(data).decode()
