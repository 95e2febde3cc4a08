"""Frames as bytes: PNG strips (lossless, one per step), single PNG and JPEG frames, live frame messages.

A strip is one PNG with the frames of a step stacked vertically; a `frames` text chunk holds their count,
so that the strip alone says how to cut it.

>>> import numpy as np
>>> frames = np.random.default_rng(0).integers(0, 256, (8, 6, 10, 3), dtype=np.uint8)
>>> bool((unpack_strip(pack_strip(frames)) == frames).all())
True
>>> message = pack_live(encode_jpeg(frames[0]), number=17, time=1.5, last=True)
>>> unpack_live(set_pane(message, 2))[0]
LiveHeader(pane=2, last=True, number=17, time=1.5)
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from arc_fabric.errors import DamagedSnapshot
from arc_fabric.media import png

STRIP = "frames.png"
"""Under this name a checkpoint's strip is attached to it."""
MAX_PIXELS = 1 << 26
"""Of one stored picture: four times what a request may bring for a step. 200 MB once decoded."""
JPEG_QUALITY = 85
JPEG_FRAME = 1
LIVE_HEADER = struct.Struct("<BBHId")
"""u8 type (1 = JPEG), u8 pane, u16 flags (bit 0: last frame of its step), u32 frame number, f64 epoch s."""
_LAST = 1


def check_frames(frames: np.ndarray) -> np.ndarray:
    """`frames` as a contiguous uint8 [F, H, W, 3] array; ValueError otherwise."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must be uint8 [F, H, W, 3], not {frames.dtype} {list(frames.shape)}")
    return np.ascontiguousarray(frames)


def encode_png(frame: np.ndarray, *, level: int = 3) -> bytes:
    """uint8 [H, W, 3] -> PNG."""
    return png.encode(check_frames(frame[None])[0], {}, level=level)


def decode_png(data: bytes) -> np.ndarray:
    """An image that was stored -> uint8 [H, W, 3]; DamagedSnapshot otherwise. What comes in goes through `given`."""
    with _opened(data) as image:
        return np.asarray(image.convert("RGB"))


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """A stored picture, its size looked at first: a bundle of somebody else may have brought it. Whatever is wrong with
    it inside the block is a DamagedSnapshot."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"it has {image.width} x {image.height} pixels, of {MAX_PIXELS} at most")
            yield image
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DamagedSnapshot(f"A stored picture cannot be read: {error}.") from error


def _number(image: Image.Image, name: str, otherwise: int) -> int:
    """What a text chunk of it says."""
    text = str(getattr(image, "text", {}).get(name, otherwise))
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ValueError(f"its {name!r} are no number")
    return int(text)


def encode_jpeg(frame: np.ndarray, *, quality: int = JPEG_QUALITY) -> bytes:
    """uint8 [H, W, 3] -> JPEG."""
    out = io.BytesIO()
    Image.fromarray(check_frames(frame[None])[0]).save(out, "JPEG", quality=quality)
    return out.getvalue()


def pack_strip(frames: np.ndarray, *, level: int = 3) -> bytes:
    """uint8 [F, H, W, 3] -> one PNG of F x H rows with the count F in its `frames` chunk."""
    frames = check_frames(frames)
    count, height, width, channels = frames.shape
    return png.encode(frames.reshape(count * height, width, channels), {"frames": str(count)}, level=level)


def unpack_strip(data: bytes) -> np.ndarray:
    """A PNG strip -> uint8 [F, H, W, 3]; DamagedSnapshot if it is no strip."""
    with _opened(data) as image:
        count = _number(image, "frames", 0)
        if count < 1 or image.height % count:
            raise ValueError("this PNG is no frame strip: no 'frames' chunk that divides its height")
        pixels = np.asarray(image.convert("RGB"))
    return pixels.reshape(count, pixels.shape[0] // count, *pixels.shape[1:])


def pack_views(views: np.ndarray, *, level: int = 1) -> bytes:
    """Given pictures, uint8 [T, V, H, W, 3] (T frames of V cameras) -> one PNG strip that also says V (`cameras`)."""
    if views.ndim != 5:
        raise ValueError(f"views must be uint8 [T, V, H, W, 3], not {list(views.shape)}")
    frames = check_frames(views.reshape(-1, *views.shape[2:]))
    text = {"frames": str(len(frames)), "cameras": str(views.shape[1])}
    return png.encode(frames.reshape(-1, *frames.shape[2:]), text, level=level)


def unpack_views(data: bytes) -> np.ndarray:
    """Inverse of `pack_views`; a plain picture (or a strip) is one camera: uint8 [T, V, H, W, 3]."""
    with _opened(data) as image:
        count, cameras = _number(image, "frames", 1), _number(image, "cameras", 1)
        if count < 1 or cameras < 1 or count % cameras or image.height % count:
            raise ValueError(f"this PNG of {image.height} rows does not hold {count} pictures of {cameras} cameras")
        pixels = np.asarray(image.convert("RGB"))
    return pixels.reshape(count // cameras, cameras, pixels.shape[0] // count, *pixels.shape[1:])


def pack_live(jpeg: bytes, *, number: int, time: float, last: bool, pane: int = 0) -> bytes:
    """The binary message of a live frame: the 16-byte header, then the JPEG."""
    return LIVE_HEADER.pack(JPEG_FRAME, pane, _LAST if last else 0, number, time) + jpeg


@dataclass(frozen=True)
class LiveHeader:
    """What the 16 bytes before a live JPEG say."""

    pane: int
    last: bool
    """Whether this is the last frame of its step."""
    number: int
    """The session's video frame number (0 = the initial frame)."""
    time: float
    """Epoch seconds at which the worker encoded it."""


def unpack_live(message: bytes) -> tuple[LiveHeader, bytes]:
    """A live message -> its header and JPEG; ValueError if it is none."""
    if len(message) < LIVE_HEADER.size or message[0] != JPEG_FRAME:
        raise ValueError("this message is no live frame (type byte 1 and 16 bytes of header expected)")
    _, pane, flags, number, time = LIVE_HEADER.unpack_from(message)
    header = LiveHeader(pane=pane, last=bool(flags & _LAST), number=number, time=time)
    return header, message[LIVE_HEADER.size :]


def set_pane(message: bytes, pane: int) -> bytes:
    """A live message addressed to another pane (workers publish pane 0; each viewer has its own panes)."""
    return message[:1] + bytes((pane,)) + message[2:]
