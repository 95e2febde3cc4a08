"""Clips, thumbnails and sprite sheets of a branch: built once, kept in object storage."""

from __future__ import annotations

import json
from typing import Any, Literal

from flask import Response, g
from pydantic import Field

from arc_fabric import errors as arc_errors
from arc_fabric.base.terms import ClipForm
from arc_fabric.ids import pattern
from arc_fabric.ledger import JobRecord
from arc_fabric.media.clip import Clip
from arc_fabric.media.frames import encode_jpeg
from arc_fabric.media.sprites import sprite, thumbnail
from arc_fabric.media.video import MIMETYPES
from webapp.api.pictures import head_of, revalidated
from webapp.content.clips import Made, find, make_short, plan, request, side_by_side, whole
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors, json_answer
from webapp.http.auth import may_write
from webapp.http.files import immutable, in_parts
from webapp.http.limits import Turns
from webapp.model import model_fps
from webapp.schemas.ids import CheckpointPath, Query, SessionPath, WaitHeaders
from webapp.schemas.views import WorkAccepted
from webapp.work.accepted import wait_for, wait_seconds

videos = blueprint("videos", "frames", "Frames, latents, videos: what a branch looks like.")
_drawing = Turns("drawing thumbnails")
_ID = pattern("ckp")[1:-1]
READERS_CLIPS = 8
"""Clips being made beyond which a token of scope read gets no other one started."""
CLIP: Any = {
    200: binary(*MIMETYPES.values(), description="The clip."),
    202: WorkAccepted,
    206: binary(*MIMETYPES.values(), description="The part asked for with Range."),
    **errors(304, 409, 416, 504),
}


class VideoQuery(Query):
    """Part, speed and format of a clip."""

    fps: float | None = Field(None, ge=1, le=60, description="Frames per second; default: the model's own.")
    from_: int = Field(0, alias="from", ge=0, le=2**31 - 1, description="First video frame.")
    to: int | None = Field(None, ge=1, le=2**31 - 1, description="End (exclusive); default: all there are.")
    format: ClipForm = Field(
        "mp4", description="mp4 (H.264, GOP 12, index in front; at most 20,000 frames), gif or webp (at most 1,000)."
    )
    wait: float | None = Field(
        None, ge=0, le=600, description="Seconds to wait for a long clip's job (60 at most are waited)."
    )


class BesideQuery(Query):
    """Branches, part, speed and format of a clip of several."""

    nodes: str = Field(
        pattern=rf"^{_ID}(,{_ID}){{1,7}}$",
        description="Two to eight checkpoint ids, comma-separated, in the order in which they are shown.",
        json_schema_extra={"example": "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4,ckp_01jd6xy0m8v9k2q4r6t8w0y2z5"},
    )
    fps: float | None = Field(None, ge=1, le=60, description="Frames per second; default: the model's own.")
    from_: int = Field(0, alias="from", ge=0, le=2**31 - 1, description="First video frame.")
    to: int | None = Field(None, ge=1, le=2**31 - 1, description="End (exclusive); default: the longest branch's.")
    format: ClipForm = Field("mp4", description="mp4, gif or webp.")


class SpriteQuery(Query):
    """Density and size of a sprite sheet."""

    every: int = Field(8, ge=1, le=1000, description="One thumbnail per so many video frames.")
    width: int = Field(64, ge=16, le=256, description="Pixels per thumbnail.")
    columns: int = Field(10, ge=1, le=50, description="Thumbnails per row.")


class ThumbnailQuery(Query):
    """Size of a thumbnail."""

    width: int = Field(96, ge=16, le=1024, description="Pixels (never enlarged).")
    format: Literal["jpeg"] = Field("jpeg", description="File format.")


@videos.get("/sessions/<string:session_id>/video", responses=CLIP)
def get_session_video(path: SessionPath, header: WaitHeaders, query: VideoQuery) -> Response:
    """The branch from its root to the session's head as a clip

    Answers Range requests. The ETag names the checkpoint at its end. A clip that is made already, or is short, comes
    at once. A long one (more than `video_job_frames` frames) is made by a job on the media worker: 202 with the job
    and its Location; ask again when the job has finished, or wait for it with `?wait=`.
    """
    return answer_clip(_planned(head_of(path.session_id), query), path.session_id, header, query.wait, forever=False)


@videos.get("/checkpoints/<string:checkpoint_id>/video", responses=CLIP)
def get_checkpoint_video(path: CheckpointPath, header: WaitHeaders, query: VideoQuery) -> Response:
    """The branch from its root to this checkpoint as a clip

    As for a session's video.
    """
    session_id = ctx().ledger.nodes.get(path.checkpoint_id).session_id
    return answer_clip(_planned(path.checkpoint_id, query), session_id, header, query.wait, forever=True)


@videos.get(
    "/compare/video",
    responses={200: binary(*MIMETYPES.values(), description="The clip."), **errors(304, 409)},
)
def get_compared_video(query: BesideQuery) -> Response:
    """Branches side by side as one clip, three in a row

    At most 1,000 frames. A branch that has ended stays at its last frame, dimmed.
    """
    heads = list(dict.fromkeys(query.nodes.split(",")))
    fps = query.fps or model_fps()
    name, make = side_by_side(ctx().pictures, heads, query.from_, query.to, fps=fps, form=query.format)
    return immutable(make, MIMETYPES[query.format], name=f"{','.join(heads)}/{name}", download=name)


@videos.get(
    "/sessions/<string:session_id>/sprite",
    responses={200: binary("image/jpeg", description="Thumbnails in a grid."), **errors(304, 409)},
)
def get_sprite(path: SessionPath, query: SpriteQuery) -> Response:
    """Thumbnails of the branch in one JPEG, row by row

    The X-Sprite header says {count, columns, width, height, every} (JSON). At most 500 thumbnails.
    """
    head = head_of(path.session_id)
    clip = whole(ctx().pictures, head)
    numbers = range(0, clip.end, query.every)[:500]
    with _drawing.turn():
        frames = [frame for number in numbers for frame in clip.frames(ctx().pictures.frames, number, number + 1)]
        columns = min(query.columns, len(frames))
        sheet, (width, height) = sprite(frames, width=query.width, columns=columns)
    name = f"{head}/sprite/{query.every}/{query.width}/{columns}"
    response = revalidated(immutable(encode_jpeg(sheet), "image/jpeg", name=name))
    facts = {"count": len(frames), "columns": columns, "width": width, "height": height, "every": query.every}
    response.headers["X-Sprite"] = json.dumps(facts)
    return response


@videos.get(
    "/checkpoints/<string:checkpoint_id>/thumbnail",
    responses={200: binary("image/jpeg", description="The thumbnail."), **errors(304, 409)},
)
def get_thumbnail(path: CheckpointPath, query: ThumbnailQuery) -> Response:
    """The checkpoint's last frame, small"""
    ctx().ledger.nodes.get(path.checkpoint_id)
    picture = encode_jpeg(thumbnail(ctx().pictures.frames(path.checkpoint_id)[-1], query.width))
    return immutable(picture, "image/jpeg", name=f"{path.checkpoint_id}/thumbnail/{query.width}")


def _planned(head: str, query: VideoQuery) -> Clip:
    fps = query.fps or model_fps()
    return plan(ctx().pictures, head, query.from_, query.to, fps=fps, form=query.format)


def answer_clip(clip: Clip, session_id: str, header: WaitHeaders, wait: float | None, *, forever: bool) -> Response:
    """The clip, or the job that makes it."""
    context = ctx()
    made = find(context.backend, clip) or make_short(
        context.backend, context.pictures, clip, at_most=context.settings.video_job_frames
    )
    if made is None:
        # Who may only look must not fill the queue of those who work.
        most = None if may_write(g.get("principal")) else READERS_CLIPS
        job = context.dispatcher.accept(request(context.ledger, clip, session_id, most=most)).job
        job = wait_for(job, wait_seconds(header, wait))
        _raise_failure(job)
        made = find(context.backend, clip) if job.state == "succeeded" else None
    if made is None:
        headers = {"Location": f"/api/jobs/{job.id}", "Retry-After": "1"}
        return json_answer({"job": job.to_dict()}, 202, headers)
    return _file(clip, made) if forever else revalidated(_file(clip, made))


def _file(clip: Clip, made: Made) -> Response:
    """The file, or the part of it that was asked for: no more is read from storage."""
    name = clip.key.rpartition("/")[2]
    return in_parts(made.size, made.read, MIMETYPES[clip.form], name=clip.key, download=name)


def _raise_failure(job: JobRecord) -> None:
    """The job's own error, if it ended without a clip while the client waited."""
    if job.state in ("failed", "cancelled") and job.error:
        kind = getattr(arc_errors, str(job.error["type"]), arc_errors.ServiceError)
        raise kind(job.error["message"], hint=job.error["what_to_do"] or "Ask again.", job_id=job.id)
