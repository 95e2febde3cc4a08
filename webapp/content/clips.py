"""Clips of a branch: short ones are made while the client waits, long ones by a job on the media worker. Each is made
once and kept in object storage under a name that says what is in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arc_fabric.ledger import JobRequest
from arc_fabric.media.clip import Clip, Span
from arc_fabric.media.clip import plan as plan_path
from arc_fabric.media.video import Form, encode
from webapp.content.pictures import Pictures
from webapp.http.files import Read

if TYPE_CHECKING:
    from webapp.context import Context

_encoder = threading.Lock()
"""One encoder at a time: ffmpeg takes a core, and the workers need theirs."""


def plan(pictures: Pictures, head: str, start: int, end: int | None, *, fps: float, form: Form) -> Clip:
    """A clip of the lineage of `head`. Raises FrameNotFound, InvalidRequest."""
    path = [Span(node.id, node.n_frames) for node in pictures.lineage(head)]
    return plan_path(path, start, end, fps=fps, form=form)


@dataclass(frozen=True)
class Made:
    """A clip that there is: its size in bytes, and `read(start, length)`."""

    size: int
    read: Read


def find(context: Context, clip: Clip) -> Made | None:
    """The clip in object storage; None when it was never made. Only what `read` is asked for is fetched."""
    try:
        size = context.backend.head(clip.key).size
    except KeyError:
        return None
    return Made(size, lambda start, length: context.backend.get(clip.key, start, length))


def make_short(context: Context, clip: Clip) -> Made | None:
    """The clip, made and stored now; None for one so long that a media job shall make it."""
    if len(clip) > context.settings.video_job_frames:
        return None
    with _encoder:
        made = find(context, clip)
        if made is None:
            data = encode(clip.frames(context.pictures.frames, clip.start, clip.end), fps=clip.fps, form=clip.form)
            context.backend.put(clip.key, data)
            made = Made(len(data), lambda start, length: data[start : start + length])
        return made


def request(context: Context, clip: Clip, session_id: str) -> JobRequest:
    """The media job that makes a clip: a new one, or the one that is on it already."""
    params: dict[str, Any] = {
        "checkpoint_id": clip.path[-1].id,
        "from": clip.start,
        "to": clip.end,
        "fps": clip.fps,
        "format": clip.form,
    }
    return context.ledger.media.request("video", session_id, params, target=clip.key, total=len(clip))
