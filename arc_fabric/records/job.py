"""What is known of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from arc_fabric.base.terms import TERMINAL, JobState
from arc_fabric.records.evaluation import EvaluationId
from arc_fabric.records.record import Record, member
from arc_fabric.records.types import CHECKPOINT_EXAMPLE, CheckpointId, Epoch, JobId, SessionId, WorkerName, says


@with_config(ConfigDict(extra="allow"))
class JobError(TypedDict):
    """Why a job failed."""

    type: Annotated[str, says("Stable error name, as `code` of a problem.", "NonFiniteLatents")]
    message: Annotated[str, says("What happened.", "step 5 gave latents that are not finite")]
    what_to_do: Annotated[str, says("The way out, in words.", "Rewind, or try another seed.")]
    context: Annotated[dict[str, Any], says("The error's own facts by name.", {"frame_index": 5})]


@with_config(ConfigDict(extra="allow"))
class Progress(TypedDict):
    """How far a job is."""

    done: Annotated[int, says("Steps committed; frames for a video.", 3)]
    total: Annotated[int, says("Steps (frames for a video) in all.", 8)]


@dataclass
class Job(Record):
    """A piece of accepted work."""

    id: JobId = member()
    kind: str = member("create, step, rewind, checkpoint, fork, close or video.", "", example="step")
    session_id: SessionId = member(default="")
    state: JobState = member("The last three never change again.", "queued")
    seq: int = member("Place in the session's order.", 0, example=2)
    params: dict[str, Any] = member("What was asked for, as accepted.", make=dict, example={"steps": 8})
    progress: Progress = member("How far it is.", make=lambda: Progress(done=0, total=1))
    worker: WorkerName | None = member("Who works, or worked, on it; null while queued.", None)
    placement: dict[str, Any] = member(
        "{worker, reason}: where it went and why; worker is null while none is up.", make=dict,
        example={"worker": "gpu.0", "reason": "least loaded"},
    )  # fmt: skip
    created: Epoch = member("Accepted; epoch seconds, UTC.", 0.0)
    started: Epoch | None = member("Epoch seconds, UTC; null while queued.", None)
    finished: Epoch | None = member("Epoch seconds, UTC; null until it has ended.", None)
    timings: dict[str, float] = member(
        "Seconds per phase; `restored_<how>` counts restores.", make=dict, example={"queued_s": 0.004, "run_s": 1.31}
    )
    result: dict[str, Any] | None = member(
        "What it made; null until it has succeeded. step: {head, frame_index, steps: [{checkpoint_id, "
        "frame_index, wall_s, bytes_new, action_source, steered}]}; create and fork: {session_id, checkpoint_id}; "
        "rewind: {head, frame_index}; checkpoint: {checkpoint_id, durability}; video: {href, bytes, frames}.",
        None, example={"head": CHECKPOINT_EXAMPLE, "frame_index": 8},
    )  # fmt: skip
    error: JobError | None = member("Why it failed; null otherwise.", None)
    if_head: CheckpointId | None = member("The head that the client asked for; null: any.", None)
    bulk: bool = member("Done after interactive work.", False)
    evaluation: EvaluationId | None = member("The evaluation that it makes a variant of; null: of none.", None)

    @property
    def ended(self) -> bool:
        """Whether it has succeeded, failed or been cancelled: it never changes again."""
        return self.state in TERMINAL
