"""Clips of a branch: planned from its lineage, encoded once, kept under a name that says what is in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from arc_fabric.errors import FrameNotFound, InvalidRequest
from arc_fabric.media.video import Form, encode
from webapp.pictures import Ancestor, Lru, Pictures

if TYPE_CHECKING:
    from webapp.context import Context

MAX_FRAMES = 20_000
_memory: Lru[bytes] = Lru(64 << 20, len)
_encoder = threading.Lock()
"""One encoder at a time: ffmpeg takes a core, and the workers need theirs."""


@dataclass(frozen=True)
class Clip:
    """Video frames `start` to `end` (exclusive) of the path that ends at the last node of `path`."""

    path: tuple[Ancestor, ...]
    start: int
    end: int
    fps: float
    form: Form

    @property
    def key(self) -> str:
        """Object key: equal keys hold equal clips, for every session that shares the path."""
        return f"videos/{self.path[-1].id}/{self.start}-{self.end}-{self.fps:g}fps.{self.form}"

    def frames(self, pictures: Pictures, start: int, end: int) -> Iterator[np.ndarray]:
        """Its video frames `start` to `end`, uint8 [H, W, 3]; loads only the steps that hold them."""
        first = 0
        for node in self.path:
            if first >= end:
                return
            if first + node.n_frames > start:
                yield from pictures.frames(node.id)[max(start - first, 0) : end - first]
            first += node.n_frames


def plan(pictures: Pictures, head: str, start: int, end: int | None, *, fps: float, form: Form) -> Clip:
    """A clip of the lineage of `head`. Raises FrameNotFound, InvalidRequest."""
    path = pictures.lineage(head)
    total = sum(node.n_frames for node in path)
    end = total if end is None else end
    if not start < end <= total:
        raise FrameNotFound(
            f"the branch has {total} video frames, 0 to {total - 1}: none are from {start} to {end} (exclusive)",
            n_frames=total,
        )
    if end - start > MAX_FRAMES:
        raise InvalidRequest(f"a clip has at most {MAX_FRAMES} frames, not {end - start}")
    needed = next(i for i, count in enumerate(_running(path), 1) if count >= end)
    return Clip(path[:needed], start, end, fps, form)


def clip_bytes(context: Context, clip: Clip) -> bytes:
    """The clip: from memory, from object storage, or encoded now and stored."""
    return _memory.get(clip.key, lambda: _stored(context, clip) or _make(context, clip))


def _stored(context: Context, clip: Clip) -> bytes | None:
    try:
        return context.backend.get(clip.key)
    except KeyError:
        return None


def _make(context: Context, clip: Clip) -> bytes:
    with _encoder:
        made = _stored(context, clip)
        if made is None:
            frames = clip.frames(context.pictures, clip.start, clip.end)
            made = encode(frames, fps=clip.fps, form=clip.form)
            context.backend.put(clip.key, made)
        return made


def _running(path: tuple[Ancestor, ...]) -> Iterator[int]:
    total = 0
    for node in path:
        total += node.n_frames
        yield total
