"""Answers about checkpoints, trees, events and comparisons, as OpenAPI shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from arc_fabric.records import Node, Tree
from arc_fabric.records.types import CHECKPOINT_EXAMPLE, SESSION_EXAMPLE, CheckpointId, Epoch, Prompt, Seed, SessionId
from webapp.schemas.views import NEXT, SessionView, View, shows

_PAIR = f"{CHECKPOINT_EXAMPLE}|{CHECKPOINT_EXAMPLE[:-1]}5"


@shows(Node)
class NodeView(View):
    """A checkpoint as HTTP shows it."""


class CheckpointStorage(View):
    """What of a checkpoint is in object storage."""

    objects: dict[str, int] = Field(
        description="Bytes by object, as far as stored.",
        examples=[{"tensors.safetensors": 161_280, "frames.png": 9_120, "manifest.json": 4_096}],
    )
    manifest: str = Field(
        description="Path of its manifest.", examples=[f"/api/checkpoints/{CHECKPOINT_EXAMPLE}/manifest"]
    )


class CheckpointAnswer(NodeView):
    """A checkpoint with its sizes, durability and lineage."""

    lineage: list[CheckpointId] = Field(description="Ids from the root to this checkpoint.")
    storage: CheckpointStorage = Field(description="What is stored of it.")


class ManifestView(View):
    """A stored manifest; docs/reference/snapshots.md describes every member."""

    format: str = Field(description="Name of the format.", examples=["arc-fabric-snapshot"])
    version: int = Field(description="Version of the format.", examples=[1])
    checkpoint_id: CheckpointId
    parent_id: str | None = Field(description="The checkpoint before it.", examples=[CHECKPOINT_EXAMPLE])
    tensors: dict[str, Any] = Field(
        description="By name: {dtype, shape, axis, unit, pieces: [{extent, length, digest, checkpoint, key, offset}]}; "
        "lengths and offsets in bytes, extents in elements of `axis`.",
        examples=[{"step_latents": {"dtype": "F32", "shape": [1, 2, 8, 8, 8], "axis": None, "unit": 1, "pieces": []}}],
    )


class TreeAnswer(View):
    """A tree (parents before children) and the sessions that grow in it; with format=d3 nested from the root."""

    tree_id: CheckpointId | None = Field(None, description="The tree, named by its root; null while it has none.")
    root: CheckpointId | None = Field(None, description="Its first checkpoint.")
    nodes: list[NodeView] | None = Field(None, description="At most `limit`, parents before children.")
    sessions: list[SessionView] | None = Field(None, description="Every session whose head is in this tree.")
    next: str | None = Field(None, description=NEXT, examples=["20000"])
    children: list[dict[str, Any]] | None = Field(
        None,
        description="format=d3 only: nested {id, name, ..., children}.",
        examples=[[{"id": CHECKPOINT_EXAMPLE, "name": "step 1", "children": []}]],
    )


@shows(Tree)
class TreeSummary(View):
    """A tree as lists show it."""


class TreePage(View):
    """A page of trees, newest first."""

    items: list[TreeSummary] = Field(description="At most `limit`; with `q` perhaps fewer although there are more.")
    next: str | None = Field(description=NEXT, examples=[CHECKPOINT_EXAMPLE])


class TreeDeleted(View):
    """A tree that is gone."""

    tree: TreeSummary = Field(description="As it was.")
    erased: bool = Field(description="Whether all its records are gone; false: the media worker erases the rest.")


class EventView(View):
    """Something that happened, as the stream sends it."""

    type: Literal["event"] = Field(description="The kind of message.")
    id: str = Field(description="Rises from event to event.", examples=["1735689600250-0"])
    session_id: str | None = Field(description="Whose it is; null for a worker's.", examples=[SESSION_EXAMPLE])
    kind: str = Field(description="What happened.", examples=["node.committed"])
    time: Epoch = Field(description="Epoch seconds, UTC.")
    data: dict[str, Any] = Field(
        description="The session, job, node or worker as it is after it.", examples=[{"id": CHECKPOINT_EXAMPLE}]
    )


class EventPage(View):
    """Events after an id, oldest first."""

    items: list[EventView] = Field(description="At most `limit`.")
    next: str | None = Field(description="Pass it as last_id for the following ones.", examples=["1735689600250-0"])


class ComparedNode(View):
    """The end of one of the branches."""

    id: CheckpointId
    session_id: SessionId
    frame_index: int = Field(description="Steps from the root.", examples=[8])
    prompt: Prompt = Field(description="The prompt of its step.")
    seed: Seed | None = Field(description="The seed of its step; null: the model's own.")


class SeriesStart(View):
    """Where the series begin: the first step and frame after the common ancestor."""

    frame_index: int = Field(description="Of the first entry of `latent` and `action`.", examples=[5])
    video_frame: int = Field(description="Of the first entry of `pixel`.", examples=[33])


class CompareAnswer(View):
    """Where branches part, and how far."""

    nodes: list[ComparedNode] = Field(description="The branches' ends, in the order asked for.")
    common_ancestor: CheckpointId | None = Field(description="The last checkpoint that all share; null: none.")
    common_frame_index: int | None = Field(description="Its steps from the root.", examples=[4])
    fork_step: int | None = Field(description="First step after the common ancestor.", examples=[5])
    first_differing_frame_index: int | None = Field(
        description="First step whose latents (where a model has none, frames) differ; null: all are equal.",
        examples=[5],
    )
    first_differing_video_frame: int | None = Field(
        description="First video frame whose pixels differ; null: all are equal.", examples=[34]
    )
    series_start: SeriesStart = Field(description="Where the series begin.")
    series: dict[str, dict[str, list[float | None]]] = Field(
        description="latent: RMS per frame_index (0 only for equal bits); pixel: mean absolute difference per video "
        "frame (0..255); action: RMS per frame_index, in the model's own units. Keys are 'a|b'; a null could not be "
        "read.",
        examples=[{"latent": {_PAIR: [0.0, 0.31]}, "pixel": {_PAIR: [0.0, 1.7]}, "action": {_PAIR: [None, 0.12]}}],
    )
    equal: dict[str, bool] = Field(
        description="Whether all latents after the common ancestor are equal.", examples=[{_PAIR: False}]
    )
    steps_compared: int = Field(description="Steps of the longest pair that were compared.", examples=[8])
    truncated: bool = Field(description="Whether a branch goes on beyond `limit` steps.")
