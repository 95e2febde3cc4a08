"""Clips, thumbnails and sprite sheets of a branch: built once, kept in object storage."""

from __future__ import annotations

import json
from typing import Literal

from flask import Response
from pydantic import Field

from arc_fabric.media.frames import encode_jpeg
from arc_fabric.media.sprites import sprite, thumbnail
from arc_fabric.media.video import MIMETYPES, Form
from webapp.answers import binary, blueprint, errors
from webapp.api.pictures import head_of, revalidated
from webapp.clips import Clip, clip_bytes, plan
from webapp.context import ctx
from webapp.headers import immutable
from webapp.model import geometry
from webapp.schemas.ids import CheckpointPath, Query, SessionPath

videos = blueprint("videos", "frames", "Frames, latents, videos: what a branch looks like.")
_CLIP = {
    200: binary(*MIMETYPES.values(), description="The clip."),
    206: binary(*MIMETYPES.values(), description="The part asked for with Range."),
    **errors(304, 409, 416),
}


class VideoQuery(Query):
    """Part, speed and format of a clip."""

    fps: float | None = Field(None, ge=1, le=60, description="Frames per second; default: the model's own.")
    from_: int = Field(0, alias="from", ge=0, le=2**31 - 1, description="First video frame.")
    to: int | None = Field(None, ge=1, le=2**31 - 1, description="End (exclusive); default: all there are.")
    format: Form = Field("mp4", description="mp4 (H.264, GOP 12, index in front), gif or webp.")


class SpriteQuery(Query):
    """Density and size of a sprite sheet."""

    every: int = Field(8, ge=1, le=1000, description="One thumbnail per so many video frames.")
    width: int = Field(64, ge=16, le=256, description="Pixels per thumbnail.")
    columns: int = Field(10, ge=1, le=50, description="Thumbnails per row.")


class ThumbnailQuery(Query):
    """Size of a thumbnail."""

    width: int = Field(96, ge=16, le=1024, description="Pixels (never enlarged).")
    format: Literal["jpeg"] = Field("jpeg", description="File format.")


@videos.get("/sessions/<string:session_id>/video", responses=_CLIP)
def get_session_video(path: SessionPath, query: VideoQuery) -> Response:
    """The branch from its root to the session's head as a clip

    Answers Range requests. The ETag names the checkpoint at its end.
    """
    return revalidated(_clip_answer(_planned(head_of(path.session_id), query)))


@videos.get("/checkpoints/<string:checkpoint_id>/video", responses=_CLIP)
def get_checkpoint_video(path: CheckpointPath, query: VideoQuery) -> Response:
    """The branch from its root to this checkpoint as a clip"""
    return _clip_answer(_planned(path.checkpoint_id, query))


@videos.get(
    "/sessions/<string:session_id>/sprite",
    responses={200: binary("image/jpeg", description="Thumbnails in a grid."), **errors(304, 409)},
)
def get_sprite(path: SessionPath, query: SpriteQuery) -> Response:
    """Thumbnails of the branch in one JPEG, row by row

    The X-Sprite header says {count, columns, width, height, every} (JSON). At most 500 thumbnails.
    """
    head = head_of(path.session_id)
    clip = plan(ctx().pictures, head, 0, None, fps=1, form="mp4")
    numbers = range(0, clip.end, query.every)[:500]
    frames = [frame for number in numbers for frame in clip.frames(ctx().pictures, number, number + 1)]
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
    ctx().ledger.node(path.checkpoint_id)
    picture = encode_jpeg(thumbnail(ctx().pictures.frames(path.checkpoint_id)[-1], query.width))
    return immutable(picture, "image/jpeg", name=f"{path.checkpoint_id}/thumbnail/{query.width}")


def _planned(head: str, query: VideoQuery) -> Clip:
    fps = query.fps or _model_fps()
    return plan(ctx().pictures, head, query.from_, query.to, fps=fps, form=query.format)


def _clip_answer(clip: Clip) -> Response:
    data = clip_bytes(ctx(), clip)
    return immutable(data, MIMETYPES[clip.form], name=clip.key, download=clip.key.rpartition("/")[2])


def _model_fps() -> float:
    return float(geometry().get("fps", 8.0))
