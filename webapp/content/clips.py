"""Clips of a branch: short ones are made while the client waits, long ones by a job on the media worker. Each is made
once and kept in object storage under a name that says what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arc_fabric.base.terms import ClipForm
from arc_fabric.errors import InvalidRequest
from arc_fabric.ledger import JobRequest, Ledger
from arc_fabric.media.beside import beside
from arc_fabric.media.clip import Clip, check_range
from arc_fabric.media.clip import plan as plan_path
from arc_fabric.media.clip import whole as whole_path
from arc_fabric.media.video import encode
from arc_fabric.store.backends import Backend
from webapp.content.pictures import Pictures
from webapp.http.files import Read
from webapp.http.limits import Turns

encoding = Turns("making clips")
"""One encoder at a time: ffmpeg takes a core, and the workers need theirs."""


def plan(pictures: Pictures, head: str, start: int, end: int | None, *, fps: float, form: ClipForm) -> Clip:
    """A clip of the lineage of `head`. Raises FrameNotFound, InvalidRequest."""
    path = pictures.lineage(head)
    return plan_path([node.id for node in path], path[-1].n_frames, start, end, fps=fps, form=form)


def whole(pictures: Pictures, head: str) -> Clip:
    """All frames of the lineage of `head`, however many there are, to look at some of them."""
    path = pictures.lineage(head)
    return whole_path([node.id for node in path], path[-1].n_frames)


MOST_BESIDE = 1_000
"""Frames of a clip of several branches: it is put together while the client waits, and not kept."""


def side_by_side(
    pictures: Pictures, heads: list[str], start: int, end: int | None, *, fps: float, form: ClipForm
) -> tuple[str, Callable[[], bytes]]:
    """How a clip of several branches side by side is called, and made. Raises FrameNotFound, InvalidRequest."""
    branches = [whole(pictures, head) for head in heads]
    total = max(branch.end for branch in branches)
    end = total if end is None else end
    check_range(start, end, total, of="the longest branch")
    if end - start > MOST_BESIDE:
        raise InvalidRequest(
            f"a clip of several branches has at most {MOST_BESIDE} frames", hint="Ask for a part of it."
        )
    parts = [
        branch.frames(pictures.frames, start, min(end, branch.end)) if branch.end > start
        else branch.frames(pictures.frames, branch.end - 1, branch.end)
        for branch in branches
    ]  # fmt: skip

    def make() -> bytes:
        with encoding.turn():
            return encode(beside(parts), fps=fps, form=form)

    return f"side-by-side-{start}-{end}-{fps:g}fps.{form}", make


@dataclass(frozen=True)
class Made:
    """A clip that there is: its size in bytes, and `read(start, length)`."""

    size: int
    read: Read


def find(backend: Backend, clip: Clip) -> Made | None:
    """The clip in object storage; None when it was never made. Only what `read` is asked for is fetched."""
    try:
        size = backend.stat(clip.key).size
    except KeyError:
        return None
    return Made(size, lambda start, length: backend.get(clip.key, start, length))


def make_short(backend: Backend, pictures: Pictures, clip: Clip, *, at_most: int) -> Made | None:
    """The clip, made and stored now; None for one of more than `at_most` frames: a media job shall make it."""
    if len(clip) > at_most:
        return None
    with encoding.turn():
        made = find(backend, clip)
        if made is None:
            data = encode(clip.frames(pictures.frames, clip.start, clip.end), fps=clip.fps, form=clip.form)
            backend.put(clip.key, data)
            made = Made(len(data), lambda start, length: data[start : start + length])
        return made


def request(ledger: Ledger, clip: Clip, session_id: str, *, most: int | None = None) -> JobRequest:
    """The media job that makes a clip: a new one, unless `most` are being made, or the one that is on it already."""
    params: dict[str, Any] = {
        "checkpoint_id": clip.path[-1],
        "from": clip.start,
        "to": clip.end,
        "fps": clip.fps,
        "format": clip.form,
    }
    return ledger.media.request("video", session_id, params, target=clip.key, total=len(clip), most=most)
