"""Pictures that come with work, put into object storage before the work is accepted: the job holds their key.

The initial frame (one picture, or one per camera) and the observed frames of each step go the same way. A refused
request leaves nothing but, at most, a stored picture that nobody names; the collector takes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from arc_fabric.base.input_keys import NO_PICTURE, new_key
from arc_fabric.base.retry import retry
from arc_fabric.errors import InvalidImage, StoreUnavailable
from arc_fabric.media.frames import decode_png, encode_png, pack_views
from webapp.context import ctx
from webapp.http.limits import Turns
from webapp.model import check_sample, geometry, sample_png
from webapp.work.uploads import pixels_of_base64, size_of_base64

SAMPLE = "sample:"
MAX_PIXELS = 1 << 26
"""Of all pictures of one request."""
MAX_PIXELS_PER_OBJECT = 1 << 25
"""Of the pictures that are stored as one: those of a step, or of the initial frame. 32 million, 100 MB once decoded."""
_decoding = Turns("decoding pictures")
"""One request at a time holds decoded pictures: those of one object, and their PNG."""
READ_PAUSES_S = (0.1,) * 30
Picture = str | list[str]
"""`sample:<name>` or base64; a list has one per camera."""


def read_one(text: str) -> np.ndarray:
    """A picture as it would be taken, uint8 [h, w, 3]; it is not kept. Raises InvalidImage."""
    with _decoding.turn():
        return pixels_of_base64(text)


def take_initial(picture: Picture | None) -> tuple[str, dict[str, Any]]:
    """Store the initial frame; its key, and what the answer says about it. Raises InvalidImage."""
    if picture is None:
        return NO_PICTURE, {"note": "none: the world begins from its prompt, and its frame 0 is black"}
    if isinstance(picture, str) and picture.startswith(SAMPLE):
        check_sample(picture.removeprefix(SAMPLE))
        return picture, {"note": "a sample in the model's own size"}
    sizes = _check_pixels({"initial_frame": picture})
    with _decoding.turn():
        views = _views(picture, "initial_frame", sizes["initial_frame"])
        single = isinstance(picture, str)
        key = _store(encode_png(views[0]) if single else pack_views(views[None]))
    return key, _fitting(views.shape[2], views.shape[1]) | ({} if single else {"cameras": len(views)})


def take_observed(steps: Sequence[Sequence[Picture] | None]) -> list[str | None]:
    """Store the observed frames of each step as one object; their keys. Raises InvalidImage."""
    names = {f"observed.{at}.{i}": frame for at, frames in enumerate(steps) for i, frame in enumerate(frames or ())}
    sizes = _check_pixels(names)
    return [None if frames is None else _take_step(frames, at, sizes) for at, frames in enumerate(steps)]


Sizes = list[tuple[int, int]]
"""(width, height) of each camera's picture."""


def _take_step(frames: Sequence[Picture], at: int, sizes: Mapping[str, Sizes]) -> str:
    """Store the frames of one step; their key. One frame is decoded at a time, into the one array."""
    names = [f"observed.{at}.{i}" for i in range(len(frames))]
    _check_alike(at, [sizes[name] for name in names])
    with _decoding.turn():
        first = _views(frames[0], names[0], sizes[names[0]])
        views = np.empty((len(frames), *first.shape), np.uint8)
        views[0] = first
        for i in range(1, len(frames)):
            frame = _views(frames[i], names[i], sizes[names[i]])
            if frame.shape != first.shape:
                raise InvalidImage(f"{names[i]}: it is turned, and says so only behind its pixels.")
            views[i] = frame
        return _store(pack_views(views))


def _check_alike(at: int, sizes: Sequence[Sizes]) -> None:
    if len({tuple(frame) for frame in sizes}) > 1:
        shown = ", ".join(sorted({f"{len(frame)} x {frame[0][0]} x {frame[0][1]}" for frame in sizes}))
        raise InvalidImage(
            f"observed.{at}: the frames of a step must have one size and as many cameras each; got {shown} "
            "(cameras x width x height)",
            hint="Send every frame of a step as the same cameras took it.",
        )


def _views(picture: Picture, field: str, sizes: Sizes) -> np.ndarray:
    """uint8 [V, h, w, 3]; V = 1 for a single picture."""
    if len(set(sizes)) > 1:
        shown = ", ".join(f"{width} x {height}" for width, height in sizes)
        raise InvalidImage(f"{field}: all cameras must give one size, got {shown}", hint="Scale them to one size.")
    with _named(field):
        return np.stack([_pixels(text) for text in _texts(picture)])


def _pixels(text: str) -> np.ndarray:
    if text.startswith(SAMPLE):
        return decode_png(sample_png(text.removeprefix(SAMPLE)))
    return pixels_of_base64(text)


def _texts(picture: Picture) -> list[str]:
    return [picture] if isinstance(picture, str) else picture


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Says which of many pictures is wrong."""
    try:
        yield
    except InvalidImage as error:
        raise InvalidImage(f"{field}: {error.message}", hint=error.what_to_do, **error.context) from None


def _check_pixels(pictures: Mapping[str, Picture]) -> dict[str, Sizes]:
    """The sizes by field, from the headers alone; refuses what would decode to too much."""
    found: dict[str, Sizes] = {}
    per_object: Counter[str] = Counter()
    for field, picture in pictures.items():
        with _named(field):
            found[field] = [_size(text) for text in _texts(picture)]
        per_object[field.rpartition(".")[0]] += sum(width * height for width, height in found[field])
    total, largest = per_object.total(), max(per_object.values(), default=0)
    if total > MAX_PIXELS or largest > MAX_PIXELS_PER_OBJECT:
        raise InvalidImage(
            f"the pictures have {total} pixels together, those of one step {largest}; at most {MAX_PIXELS} and "
            f"{MAX_PIXELS_PER_OBJECT} are accepted in one request",
            hint="Send fewer steps at once, or smaller pictures: they are scaled to the model's size anyway.",
            max_pixels=MAX_PIXELS,
        )
    return found


def _size(text: str) -> tuple[int, int]:
    if not text.startswith(SAMPLE):
        return size_of_base64(text)
    pixels = _pixels(text)
    return pixels.shape[1], pixels.shape[0]


def _store(data: bytes) -> str:
    """Write under a new key, and see that it can be read: SeaweedFS once answered "no such key" right after the first
    write into a new bucket, and the job reads the picture at once."""
    backend, key = ctx().backend, new_key(data)
    backend.put(key, data)
    try:
        retry(lambda: backend.get(key, 0, 1), on=(KeyError,), pauses=READ_PAUSES_S)
    except KeyError:
        raise StoreUnavailable(f"the object store does not give {key} back after it was written") from None
    return key


def _fitting(width: int, height: int) -> dict[str, Any]:
    size = geometry()
    note = "the worker scales it to the model's size"
    if size:
        note = f"scaled to the model's {size['image_width']} x {size['image_height']} pixels"
    return {"width": width, "height": height, "note": note}
