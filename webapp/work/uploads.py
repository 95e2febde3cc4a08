"""Images as requests bring them: base64 or a data URL."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import numpy as np

from arc_fabric.errors import InvalidImage
from arc_fabric.media import given
from arc_fabric.media.frames import encode_png


@dataclass(frozen=True)
class Upload:
    """A checked image, as the lossless PNG that is stored."""

    png: bytes
    width: int
    height: int


def read_base64(text: str) -> Upload:
    """Base64 (a `data:` URL is fine) -> checked image; InvalidImage otherwise."""
    return read_image(_decoded(text))


def read_image(data: bytes) -> Upload:
    """File bytes -> checked image."""
    pixels = given.read(data)
    return Upload(encode_png(pixels), pixels.shape[1], pixels.shape[0])


def pixels_of_base64(text: str) -> np.ndarray:
    """Base64 -> uint8 [H, W, 3]."""
    return given.read(_decoded(text))


def size_of_base64(text: str) -> tuple[int, int]:
    """(width, height) that the header states; no pixel is decoded. InvalidImage where it is no image."""
    return given.size_of(_decoded(text))


def _decoded(text: str) -> bytes:
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage("the picture is neither 'sample:<name>' nor valid base64") from error
