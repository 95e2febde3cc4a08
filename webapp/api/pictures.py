"""What a session shows: frames as PNG, latents as .npy or safetensors."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from flask import Response
from pydantic import Field

from arc_fabric.errors import DamagedSnapshot, FrameNotFound
from arc_fabric.ledger import SessionRecord
from arc_fabric.media.frames import encode_png
from arc_fabric.store.format.manifest import header_bytes
from webapp.content.pictures import to_numpy
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors
from webapp.http.files import immutable
from webapp.schemas.ids import Query, SessionFramePath, SessionStepPath

session_pictures = blueprint("pictures", "frames", "Frames, latents, videos: what a branch looks like.")


class LatentsQuery(Query):
    """How to write the tensor."""

    format: Literal["npy", "safetensors"] = Field(
        "npy", description="npy (bfloat16 widened to float32) or safetensors (the stored dtype, key `latents`)."
    )


@session_pictures.get(
    "/sessions/<string:session_id>/frames/<int:n>",
    responses={200: binary("image/png", description="The frame."), **errors(304, 409)},
)
def get_frame(path: SessionFramePath) -> Response:
    """A video frame as PNG, lossless

    Frame 0 is the initial frame. The ETag names the checkpoint, so a rewind makes a cached frame stale.
    """
    checkpoint_id, index = ctx().pictures.locate(head_of(path.session_id), path.n)
    return frame_answer(checkpoint_id, index, forever=False)


@session_pictures.get(
    "/sessions/<string:session_id>/latents/<int:n>",
    responses={
        200: binary("application/x-npy", "application/x-safetensors", description="The latents of one step."),
        **errors(304, 409),
    },
)
def get_latents(path: SessionStepPath, query: LatentsQuery) -> Response:
    """The latents that step `n` of the lineage added

    Shape [B, K, C, h, w]: batch, latent frames per step, channels, height, width.
    """
    lineage = ctx().pictures.lineage(head_of(path.session_id))
    last = lineage[-1].frame_index
    found = [node.id for node in lineage if node.frame_index == path.n]
    if not found or path.n == 0:
        known = f"steps 1 to {last}" if last else "made no step yet"
        raise FrameNotFound(
            f"there are no latents of step {path.n}: the session has {known}",
            hint="n is a frame_index (steps from the root); the root adds no latents.",
            frame_index=last,
        )
    return latents_answer(found[0], query.format)


def head_of(session_id: str) -> str:
    """The session's head; FrameNotFound while it is still being made."""
    session: SessionRecord = ctx().ledger.sessions.get(session_id)
    if session.head is None:
        raise FrameNotFound(
            f"session {session_id} is still being made and has no frames yet",
            hint="Wait for its create job (GET /api/jobs?session=...).",
        )
    return session.head


def frame_answer(checkpoint_id: str, index: int, *, forever: bool) -> Response:
    """One frame of a checkpoint as PNG; `forever` where the address names the checkpoint."""
    response = immutable(lambda: _png(checkpoint_id, index), "image/png", name=f"{checkpoint_id}/{index}")
    return response if forever else revalidated(response)


def _png(checkpoint_id: str, index: int) -> bytes:
    frames = ctx().pictures.frames(checkpoint_id)
    if index >= len(frames):
        raise DamagedSnapshot(f"Checkpoint {checkpoint_id} has {len(frames)} frames in storage, too few of its step.")
    return encode_png(frames[index])


def revalidated(response: Response) -> Response:
    """Cacheable, but ask again: the address is of a session, whose head moves."""
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def latents_answer(checkpoint_id: str, form: str) -> Response:
    """One step's latents in the format asked for."""
    dtype, shape, data = ctx().pictures.latents(checkpoint_id)
    if form == "safetensors":
        header = header_bytes([("latents", dtype, shape, len(data))])
        body, mimetype = header + data, "application/x-safetensors"
    else:
        body, mimetype = _npy(to_numpy(dtype, shape, data)), "application/x-npy"
    name = f"{checkpoint_id}/latents.{form}"
    return revalidated(immutable(body, mimetype, name=name, download=f"{checkpoint_id}.{form}"))


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
