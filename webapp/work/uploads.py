"""Images from outside: `sample:<name>`, base64 or a data URL, checked before they are decoded."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from arc_fabric.errors import InvalidImage

MAX_SIDE = 4096
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Upload:
    """A checked image, as the lossless PNG that is stored."""

    png: bytes
    width: int
    height: int


def read_base64(text: str) -> Upload:
    """Base64 (a `data:` URL is fine) -> checked image; InvalidImage otherwise."""
    return read_image(_decoded(text))


def size_of_base64(text: str) -> tuple[int, int]:
    """(width, height) that the header states; no pixel is decoded. InvalidImage where it is no image."""
    with _opened(_decoded(text)) as image:
        return image.size


def read_image(data: bytes) -> Upload:
    """File bytes -> checked image. The size is read from the header and refused before any pixel is decoded."""
    with _opened(data) as image:
        rgb = ImageOps.exif_transpose(image).convert("RGB")
    out = io.BytesIO()
    rgb.save(out, "PNG", compress_level=3)
    return Upload(out.getvalue(), rgb.width, rgb.height)


def _decoded(text: str) -> bytes:
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage("the picture is neither 'sample:<name>' nor valid base64") from error


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
