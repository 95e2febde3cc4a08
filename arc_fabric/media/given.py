"""Pictures from outside: the one place where a file that somebody gives becomes pixels.

The size is read from the header and refused before any pixel is decoded. Sixteen bits become eight by scale, what is
transparent is laid on white, a turned photograph stands upright.

>>> import numpy as np
>>> from arc_fabric.media.frames import encode_png
>>> read(encode_png(np.full((4, 6, 3), 7, np.uint8))).shape
(4, 6, 3)
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from arc_fabric.errors import InvalidImage

MAX_SIDE = 4096
FORMATS = ("PNG", "JPEG", "WEBP")
_DEEP = ("I", "I;16", "I;16B", "I;16L")
"""Pillow's modes of grey pictures with more than eight bits; its `convert` cuts their values off at 255."""


def size_of(data: bytes) -> tuple[int, int]:
    """(width, height) as the header states them, upright; no pixel is decoded. InvalidImage where it is no image."""
    with _opened(data) as image:
        # Without the first condition Pillow would decode a PNG to look for EXIF behind its pixels.
        turned = "exif" in image.info and image.getexif().get(0x0112) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else image.size


def read(data: bytes) -> np.ndarray:
    """A PNG, JPEG or WebP -> uint8 [H, W, 3]; InvalidImage otherwise."""
    with _opened(data) as image:
        return np.array(_to_rgb(ImageOps.exif_transpose(image)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP:
        image = _to_eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """0..65535 -> 0..255, rounded; one value may stand for what is transparent."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65_535:
        raise ValueError(f"its values reach from {values.min()} to {values.max()}; 16 bits are the most that is read")
    grey = ((values * 255 + 32_767) // 65_535).astype(np.uint8)
    clear = image.info.get("transparency")
    return Image.fromarray(np.where(values == clear, np.uint8(255), grey) if isinstance(clear, int) else grey)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The image, its size checked; whatever goes wrong with it inside the block is an InvalidImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image)
                yield image
    except UnidentifiedImageError as error:
        raise InvalidImage(f"the {len(data)} bytes given are no PNG, JPEG or WebP image") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Warning) as error:
        raise InvalidImage(f"the image cannot be decoded: {error}") from error


def _check_size(image: Image.Image) -> None:
    if max(image.size) > MAX_SIDE or min(image.size) < 1:
        width, height = image.size
        raise InvalidImage(
            f"the image is {width} x {height} pixels; at most {MAX_SIDE} x {MAX_SIDE} are accepted",
            width=width,
            height=height,
            max_side=MAX_SIDE,
        )
