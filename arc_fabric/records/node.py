"""What is known of a checkpoint, a node of a trajectory tree. Immutable but for label, note, tags, marks, score, pin,
durability and children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arc_fabric.base.frames import frame_count
from arc_fabric.base.terms import BatchMode, ScoreBetter
from arc_fabric.records.record import Record, member
from arc_fabric.records.types import (
    CheckpointId,
    Count,
    Epoch,
    JobId,
    Label,
    ModelSettings,
    Note,
    Number,
    Prompt,
    Score,
    Seconds,
    Seed,
    SessionId,
    Tags,
    WorkerName,
)

Durability = Literal["pending", "durable", "deleted", "damaged"]


@dataclass
class Node(Record):
    """A checkpoint in a trajectory tree."""

    id: CheckpointId = member()
    parent: CheckpointId | None = member("The checkpoint before it; null for a root.", None)
    session_id: SessionId = member(default="")
    tree_id: CheckpointId = member("The tree it belongs to, named by the tree's root.", "")
    frame_index: Count = member("Steps from the root.", 0, example=8)
    created: Epoch = member("Epoch seconds, UTC.", 0.0)
    prompt: Prompt = member("The prompt of its step.", "")
    seed: Seed | None = member("The seed of its step; null: the model's own.", None)
    prompt_mode: str = member(
        "What a new prompt did to the window's older KV: keep, recache or reset.", "keep", example="keep"
    )
    model_settings: ModelSettings = member(
        "Settings of the model that its step had otherwise than by default, by name; of a root those of the steps to "
        "come.", make=dict, example={"guidance": 2.0}, later=True,
    )  # fmt: skip
    action_source: Literal["given", "predicted"] | None = member(
        "Who chose the actions: the client or the policy; null for a root.", None
    )
    steered: bool | None = member(
        "Whether the given actions steered the world; false: the model recorded them and followed its own "
        "prediction. Null where none were given.", None, later=True,
    )  # fmt: skip
    actions: list[list[Number]] | None = member(
        "float [action_horizon][action_dim] in the model's own units (GET /api/model names them); null "
        "for a root.", None, example=[[0.1, -0.02, 1.0]],
    )  # fmt: skip
    state: list[Number] | None = member(
        "Robot state given with the step, float [state_dim] in the model's own units.", None, example=[0.5, 0.5, 0.0]
    )
    observed: Count = member(
        "Real frames given with this step in place of the imagined ones (closed loop); 0: none. "
        "GET /api/checkpoints/{id}/observed has them.", 0, example=0, later=True,
    )  # fmt: skip
    durability: Durability = member(
        "pending: on its way to object storage; durable: stored; deleted: dropped by its owner; damaged: "
        "what is stored does not have its digests.", "pending", home=True,
    )  # fmt: skip
    failed: bool = member("Marked as failed from here.", False)
    label: Label | None = member("A name for people.", None, example="grasped")
    bookmarked: bool = member("Marked by a person, to find it again.", False)
    pinned: bool = member("Its pieces stay in a worker's host memory and its KV is never dropped.", False, home=True)
    score: Score | None = member("Score of an evaluation, in its own unit.", None, example=0.83)
    score_better: ScoreBetter | None = member(
        "Which way a score is good: higher or lower; null: nobody said.", None, example="higher", later=True
    )
    note: Note | None = member("What a person wrote about it.", None, example="the cup slips at frame 12", later=True)
    tags: Tags = member("Words of people, to find it again.", make=list, example=["slip"], later=True)
    bytes_new: Count = member(
        "Bytes this step added to storage: of all its objects once it is durable, before that what its tensors are "
        "expected to take.", 0, example=161_280,
    )  # fmt: skip
    bytes_total: Count = member("Bytes of the whole snapshot, shared ones included.", 0, example=1_290_240)
    batch_mode: BatchMode = member(
        "exact: the bits of this step alone; fast: it was computed in one forward pass with others and agrees with "
        "that to rounding.", "exact", later=True,
    )  # fmt: skip
    wall_s: Seconds = member("Seconds the step took; of a step in a batch its share.", 0.0, example=0.083)
    job_id: JobId | None = member("The job that made it; null for an imported one.", None, home=True)
    worker: WorkerName | None = member("The worker that made it.", None, home=True)
    window_start: Count | None = member("frame_index at which its window of latents began.", None, example=0)
    n_frames: Count = member("Video frames this node adds.", 0, example=8)
    children: list[CheckpointId] = member(
        "The checkpoints that follow it, in the order they were made.", make=list, home=True
    )

    @property
    def frames_to_end(self) -> int:
        """Video frames from the root to its end, the initial frame included."""
        return frame_count(self.frame_index, self.n_frames)
