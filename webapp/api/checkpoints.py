"""Checkpoints: metadata and sizes, pins, frames of their own step."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Response, request

from arc_fabric.errors import CheckpointUnavailable, FrameNotFound
from arc_fabric.store.format.manifest import key_of
from webapp.api.pictures import LatentsQuery, frame_answer, latents_answer
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors, json_answer, tagged_json
from webapp.http.files import immutable
from webapp.schemas.ids import CheckpointFramePath, CheckpointPath
from webapp.schemas.nodes import CheckpointAnswer, ManifestView, NodeView

checkpoints = blueprint("checkpoints", "checkpoints", "The stored world at the end of a step.")


@checkpoints.get("/checkpoints/<string:checkpoint_id>", responses={200: CheckpointAnswer, **errors(304)})
def get_checkpoint(path: CheckpointPath) -> Response:
    """A checkpoint: its node, lineage and what is stored of it"""
    node = ctx().ledger.nodes.get(path.checkpoint_id)
    lineage = [item.id for item in ctx().pictures.lineage(node.id)]
    return tagged_json(node.to_dict() | {"lineage": lineage, "storage": _stored(node.id)})


@checkpoints.post("/checkpoints/<string:checkpoint_id>/pin", responses={200: NodeView, **errors(409)})
def pin_checkpoint(path: CheckpointPath) -> Response:
    """Keep a checkpoint at hand

    Its pieces stay in the host memory of a worker, so that forks and rewinds to it need no storage, and its KV is never
    dropped to save space. Pinning twice is no error. At most `max_pinned` checkpoints are pinned.
    """
    return json_answer(ctx().ledger.nodes.pin(path.checkpoint_id).to_dict())


@checkpoints.post("/checkpoints/<string:checkpoint_id>/unpin", responses={200: NodeView})
def unpin_checkpoint(path: CheckpointPath) -> Response:
    """Let a pinned checkpoint go

    It stays stored; its pieces may leave host memory. No error when it is not pinned.
    """
    return json_answer(ctx().ledger.nodes.unpin(path.checkpoint_id).to_dict())


@checkpoints.get(
    "/checkpoints/<string:checkpoint_id>/frames",
    responses={200: binary("image/png", description="Frames stacked vertically."), **errors(304, 409)},
)
def get_strip(path: CheckpointPath) -> Response:
    """All frames this checkpoint added, as one PNG stacked vertically, lossless

    Its `frames` text chunk and the X-Frames header hold their number.
    """
    count = ctx().ledger.nodes.get(path.checkpoint_id).n_frames
    response = immutable(ctx().pictures.strip(path.checkpoint_id), "image/png", name=f"{path.checkpoint_id}/strip")
    response.headers["X-Frames"] = str(count)
    return response


@checkpoints.get(
    "/checkpoints/<string:checkpoint_id>/frames/<int:i>",
    responses={200: binary("image/png", description="The frame."), **errors(304, 409)},
)
def get_checkpoint_frame(path: CheckpointFramePath) -> Response:
    """One of the frames this checkpoint added, as PNG"""
    count = ctx().ledger.nodes.get(path.checkpoint_id).n_frames
    if path.i >= count:
        raise FrameNotFound(f"the checkpoint has frames 0 to {count - 1}, not {path.i}", n_frames=count)
    return frame_answer(path.checkpoint_id, path.i, forever=True)


@checkpoints.get(
    "/checkpoints/<string:checkpoint_id>/observed",
    responses={200: binary("image/png", description="Frames stacked vertically."), **errors(304, 409)},
)
def get_observed(path: CheckpointPath) -> Response:
    """The real frames given with this step (closed loop), as one PNG stacked vertically, in the size they came

    X-Frames holds their number; pictures of several cameras follow each other within a frame.
    """
    node = ctx().ledger.nodes.get(path.checkpoint_id)
    key = node.internal.get("_observed")
    if key is None:
        raise FrameNotFound("no real frames were given with this step", hint="Its node says so: `observed` is 0.")
    try:
        data = ctx().backend.get(key)
    except KeyError as error:
        raise CheckpointUnavailable(f"the observed frames {key} are not stored any more", key=key) from error
    response = immutable(data, "image/png", name=f"{node.id}/observed")
    response.headers["X-Frames"] = str(node.observed)
    return response


@checkpoints.get(
    "/checkpoints/<string:checkpoint_id>/latents",
    responses={
        200: binary("application/x-npy", "application/x-safetensors", description="The latents of this step."),
        **errors(304, 409),
    },
)
def get_checkpoint_latents(path: CheckpointPath, query: LatentsQuery) -> Response:
    """The latents this checkpoint added, [B, K, C, h, w]"""
    if ctx().ledger.nodes.get(path.checkpoint_id).parent is None:
        raise FrameNotFound("the root adds no latents", hint="Ask for a later checkpoint.")
    response = latents_answer(path.checkpoint_id, query.format)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


@checkpoints.get(
    "/checkpoints/<string:checkpoint_id>/manifest",
    responses={200: ManifestView, **errors(304, 409)},
)
def get_manifest(path: CheckpointPath) -> Response:
    """The stored manifest: every tensor's pieces with place, length and digest"""
    ctx().ledger.nodes.get(path.checkpoint_id)
    response = tagged_json(ctx().reader.manifest(path.checkpoint_id))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _stored(checkpoint_id: str) -> dict[str, Any]:
    """What the object store says; empty while nothing is stored."""
    found: dict[str, Any] = {"objects": {}, "manifest": f"{request.path}/manifest"}
    prefix = key_of(checkpoint_id, "")
    with suppress(CheckpointUnavailable):
        found["objects"] = {info.key.removeprefix(prefix): info.size for info in ctx().backend.list(prefix)}
    return found
