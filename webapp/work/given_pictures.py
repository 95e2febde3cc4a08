"""Pictures that come with work, put into object storage before the work is accepted: the job holds their key.

The initial frame (one picture, or one per camera) and the observed frames of each step go the same way. A refused
request leaves nothing but, at most, a stored picture that nobody names; the collector takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from arc_fabric.base.input_keys import new_key
from arc_fabric.base.retry import retry
from arc_fabric.errors import InvalidImage, StoreUnavailable
from arc_fabric.media.frames import decode_png, pack_views
from webapp.context import ctx
from webapp.model import check_sample, geometry, sample_png
from webapp.work.uploads import read_base64, size_of_base64

SAMPLE = "sample:"
MAX_PIXELS = 1 << 26
"""Of all pictures of one request: 64 million, 200 MB once decoded."""
READ_PAUSES_S = (0.1,) * 30
Picture = str | list[str]
"""`sample:<name>` or base64; a list has one per camera."""


def take_initial(picture: Picture) -> tuple[str, dict[str, Any]]:
    """Store the initial frame; its key, and what the answer says about it. Raises InvalidImage."""
    if isinstance(picture, str) and picture.startswith(SAMPLE):
        check_sample(picture.removeprefix(SAMPLE))
        return picture, {"note": "a sample in the model's own size"}
    if isinstance(picture, str):
        upload = read_base64(picture)
        return _store(upload.png), _fitting(upload.width, upload.height)
    _check_pixels({"initial_frame": picture})
    views = _views(picture, "initial_frame")
    return _store_views(views[None]), _fitting(views.shape[2], views.shape[1]) | {"cameras": len(views)}


def take_observed(steps: Sequence[Sequence[Picture] | None]) -> list[str | None]:
    """Store the observed frames of each step as one object; their keys. Raises InvalidImage."""
    given = enumerate(steps)
    _check_pixels({f"observed.{at}.{i}": frame for at, frames in given for i, frame in enumerate(frames or ())})
    packed = [None if frames is None else _pack_step(frames, at) for at, frames in enumerate(steps)]
    return [None if views is None else _store_views(views) for views in packed]


def _pack_step(frames: Sequence[Picture], at: int) -> np.ndarray:
    """uint8 [T, V, h, w, 3] of one step."""
    views = [_views(frame, f"observed.{at}.{i}") for i, frame in enumerate(frames)]
    if len({view.shape for view in views}) > 1:
        sizes = sorted({f"{view.shape[0]} x {view.shape[2]} x {view.shape[1]}" for view in views})
        raise InvalidImage(
            f"observed.{at}: the frames of a step must have one size and as many cameras each; got {', '.join(sizes)} "
            "(cameras x width x height)",
            hint="Send every frame of a step as the same cameras took it.",
        )
    return np.stack(views)


def _views(picture: Picture, field: str) -> np.ndarray:
    """uint8 [V, h, w, 3]; V = 1 for a single picture."""
    with _named(field):
        views = [_pixels(text) for text in _texts(picture)]
    if len({view.shape for view in views}) > 1:
        sizes = ", ".join(f"{view.shape[1]} x {view.shape[0]}" for view in views)
        raise InvalidImage(f"{field}: all cameras must give one size, got {sizes}", hint="Scale them to one size.")
    return np.stack(views)


def _pixels(text: str) -> np.ndarray:
    if text.startswith(SAMPLE):
        return decode_png(sample_png(text.removeprefix(SAMPLE)))
    return decode_png(read_base64(text).png)


def _texts(picture: Picture) -> list[str]:
    return [picture] if isinstance(picture, str) else picture


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Says which of many pictures is wrong."""
    try:
        yield
    except InvalidImage as error:
        raise InvalidImage(f"{field}: {error.message}", hint=error.what_to_do, **error.context) from None


def _check_pixels(pictures: Mapping[str, Picture]) -> None:
    """Refuse what would decode to too much, from the headers alone."""
    total = 0
    for field, picture in pictures.items():
        with _named(field):
            sizes = [(0, 0) if text.startswith(SAMPLE) else size_of_base64(text) for text in _texts(picture)]
        total += sum(width * height for width, height in sizes)
    if total > MAX_PIXELS:
        raise InvalidImage(
            f"the pictures have {total} pixels together; at most {MAX_PIXELS} are accepted in one request",
            hint="Send fewer steps at once, or smaller pictures: they are scaled to the model's size anyway.",
            max_pixels=MAX_PIXELS,
        )


def _store_views(views: np.ndarray) -> str:
    """Put uint8 [T, V, h, w, 3] into object storage; its key."""
    return _store(pack_views(views))


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
