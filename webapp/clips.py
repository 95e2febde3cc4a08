"""Clips of a branch: short ones are made while the client waits, long ones by a job on the media worker. Each is made
once and kept in object storage under a name that says what is in it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from arc_fabric.ledger import JobRequest
from arc_fabric.media.clip import Clip, Span
from arc_fabric.media.clip import plan as plan_path
from arc_fabric.media.video import Form, encode
from webapp.pictures import Lru, Pictures

if TYPE_CHECKING:
    from webapp.context import Context

_memory: Lru[bytes] = Lru(64 << 20, len)
_encoder = threading.Lock()
"""One encoder at a time: ffmpeg takes a core, and the workers need theirs."""


def plan(pictures: Pictures, head: str, start: int, end: int | None, *, fps: float, form: Form) -> Clip:
    """A clip of the lineage of `head`. Raises FrameNotFound, InvalidRequest."""
    path = [Span(node.id, node.n_frames) for node in pictures.lineage(head)]
    return plan_path(path, start, end, fps=fps, form=form)


def clip_bytes(context: Context, clip: Clip) -> bytes | None:
    """The clip: from memory, from object storage, or made now; None for a long one that is not there yet."""
    known = _memory.peek(clip.key) or _stored(context, clip)
    if known is None:
        if len(clip) > context.settings.video_job_frames:
            return None
        known = _make(context, clip)
    return _memory.get(clip.key, lambda: known)


def request(context: Context, clip: Clip, session_id: str) -> JobRequest:
    """The media job that makes a clip: a new one, or the one that is on it already."""
    params: dict[str, Any] = {
        "checkpoint_id": clip.path[-1].id,
        "from": clip.start,
        "to": clip.end,
        "fps": clip.fps,
        "format": clip.form,
    }
    return context.ledger.media_request("video", session_id, params, target=clip.key, total=len(clip))


def _stored(context: Context, clip: Clip) -> bytes | None:
    try:
        return context.backend.get(clip.key)
    except KeyError:
        return None


def _make(context: Context, clip: Clip) -> bytes:
    with _encoder:
        made = _stored(context, clip)
        if made is None:
            made = encode(clip.frames(context.pictures.frames, clip.start, clip.end), fps=clip.fps, form=clip.form)
            context.backend.put(clip.key, made)
        return made
