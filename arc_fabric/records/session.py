"""What is known of a session."""

from __future__ import annotations

from dataclasses import dataclass

from arc_fabric.base.terms import SessionState
from arc_fabric.records.evaluation import EvaluationId
from arc_fabric.records.record import Record, member
from arc_fabric.records.types import (
    CheckpointId,
    Count,
    Epoch,
    JobId,
    Label,
    ModelSettings,
    Prompt,
    Seed,
    SessionId,
    WorkerName,
)


@dataclass
class Session(Record):
    """A session: a head in a trajectory tree, and who works on it."""

    id: SessionId = member()
    state: SessionState = member("A closed session takes no work until it is reopened.", "open", home=True)
    bulk: bool = member("An evaluation fork: low priority, needs no slot.", False)
    evaluation: EvaluationId | None = member(
        "The evaluation that it is a variant of; null: of none.", None, home=True, later=True
    )
    label: Label | None = member("A name for people.", None, example="grasp from the left")
    model: str | None = member("The model it was opened with (setting `model`).", None, example="tabletop")
    prompt: Prompt = member("Applies from the next step.", "")
    seed: Seed | None = member("Seed of the sampler; null: the model's own.", None)
    model_settings: ModelSettings = member(
        "Settings of the model for the next step that are not its defaults, by name; abilities.settings of "
        "GET /api/model has all.", make=dict, example={"guidance": 2.0}, later=True,
    )  # fmt: skip
    embodiment_id: int = member("Robot the actions are for.", 0, example=0)
    head: CheckpointId | None = member("Current checkpoint; null until the create job has run.", None, home=True)
    root: CheckpointId | None = member(
        "First checkpoint of its tree; null until the create job has run.", None, home=True
    )
    tree_id: CheckpointId | None = member("The tree it grows in, named by the tree's root.", None, home=True)
    frame_index: Count = member("Steps from the root.", 0, example=8, home=True)
    n_frames: Count = member(
        "Video frames from the root to the head, the initial frame included.", 0, example=65, home=True
    )
    parent_session: SessionId | None = member("The session it was forked from; null for a new one.", None)
    parent_checkpoint: CheckpointId | None = member("The checkpoint it was forked at; null for a new one.", None)
    forked_at: Count | None = member("frame_index at which it was forked.", None, example=4)
    created: Epoch = member("Epoch seconds, UTC.", 0.0)
    updated: Epoch = member("Epoch seconds, UTC.", 0.0)
    worker: WorkerName | None = member("The worker that owns it; null while none does.", None, home=True)
    queued: int = member("Jobs waiting.", 0, example=0, home=True)
    lease_s: float | None = member(
        "Seconds without a sign of life of its client after which it is closed; null: it stays open.", None,
        example=60.0, home=True, later=True,
    )  # fmt: skip
    running_job: JobId | None = member("The job that is being done; null while none is.", None, home=True)
