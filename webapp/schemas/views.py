"""Answers about sessions and jobs, as OpenAPI shows them; the ledger's records render to exactly these members."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from arc_fabric.base.terms import JobState
from webapp.schemas.ids import CHECKPOINT_EXAMPLE, JOB_EXAMPLE, SESSION_EXAMPLE, CheckpointId, JobId, SessionId

Epoch = Annotated[float, Field(examples=[1735689600.25])]
"""A time in epoch seconds, UTC."""
Prompt = Annotated[str, Field(examples=["pick up the red cup"])]
SeedShown = Annotated[int, Field(examples=[42])]
NEXT = "Pass it as `cursor` for the page that follows; null at the end."
Worker = Annotated[str, Field(examples=["gpu.0"])]


class View(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="allow")


class Problem(View):
    """An error (RFC 9457) with a stable code and what to do about it."""

    type: str = Field(
        description="Where the error is described, relative to this server.",
        examples=["/openapi/errors#SessionNotFound"],
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What happened and what was expected.",
        examples=["there is no session ses_01jd6xy0m8v9k2q4r6t8w0y2z4"],
    )
    what_to_do: str = Field(description="The way out, in words.", examples=["GET /api/sessions lists them."])
    code: str = Field(description="Stable error name.", examples=["SessionNotFound"])
    request_id: str | None = Field(
        None,
        description="As in the X-Request-Id header and the server's log.",
        examples=["req_01jd6xy0m8v9k2q4r6t8w0y2z4"],
    )
    instance: str | None = Field(
        None, description="The path that was asked for.", examples=[f"/api/sessions/{SESSION_EXAMPLE}"]
    )


class SessionView(View):
    """A session: a head in a trajectory tree, and who works on it."""

    id: SessionId
    state: Literal["open", "closed"] = Field(description="A closed session takes no work until it is reopened.")
    bulk: bool = Field(description="An evaluation fork: low priority, needs no slot.")
    label: str | None = Field(description="A name for people.", examples=["grasp from the left"])
    model: str | None = Field(description="The model it was opened with (setting `model`).", examples=["tabletop"])
    prompt: Prompt = Field(description="Applies from the next step.")
    seed: SeedShown | None = Field(description="Seed of the sampler; null: the model's own.")
    embodiment_id: int = Field(description="Robot the actions are for.", examples=[0])
    head: CheckpointId | None = Field(description="Current checkpoint; null until the create job has run.")
    root: CheckpointId | None = Field(description="First checkpoint of its tree; null until the create job has run.")
    tree_id: CheckpointId | None = Field(description="The tree it grows in, named by the tree's root.")
    frame_index: int = Field(description="Steps from the root.", examples=[8])
    n_frames: int = Field(
        description="Video frames from the root to the head, the initial frame included.", examples=[65]
    )
    parent_session: SessionId | None = Field(description="The session it was forked from; null for a new one.")
    parent_checkpoint: CheckpointId | None = Field(description="The checkpoint it was forked at; null for a new one.")
    forked_at: int | None = Field(description="frame_index at which it was forked.", examples=[4])
    created: Epoch = Field(description="Epoch seconds, UTC.")
    updated: Epoch = Field(description="Epoch seconds, UTC.")
    worker: Worker | None = Field(description="The worker that owns it; null while none does.")
    queued: int = Field(description="Jobs waiting.", examples=[0])
    running_job: JobId | None = Field(description="The job that is being done; null while none is.")


class JobError(View):
    """Why a job failed."""

    type: str = Field(description="Stable error name, as `code` of a problem.", examples=["NonFiniteLatents"])
    message: str = Field(description="What happened.", examples=["step 5 gave latents that are not finite"])
    what_to_do: str = Field(description="The way out, in words.", examples=["Rewind, or try another seed."])
    context: dict[str, Any] = Field(description="The error's own facts by name.", examples=[{"frame_index": 5}])


class Progress(View):
    """How far a job is."""

    done: int = Field(description="Steps committed; frames for a video.", examples=[3])
    total: int = Field(description="Steps (frames for a video) in all.", examples=[8])


class JobView(View):
    """A piece of accepted work."""

    id: JobId
    kind: str = Field(description="create, step, rewind, checkpoint, fork, close or video.", examples=["step"])
    session_id: SessionId
    state: JobState = Field(description="The last three never change again.")
    seq: int = Field(description="Place in the session's order.", examples=[2])
    params: dict[str, Any] = Field(description="What was asked for, as accepted.", examples=[{"steps": 8}])
    progress: Progress = Field(description="How far it is.")
    worker: Worker | None = Field(description="Who works, or worked, on it; null while queued.")
    placement: dict[str, Any] = Field(
        description="{worker, reason}: where it went and why; worker is null while none is up.",
        examples=[{"worker": "gpu.0", "reason": "least loaded"}],
    )
    created: Epoch = Field(description="Accepted; epoch seconds, UTC.")
    started: Epoch | None = Field(description="Epoch seconds, UTC; null while queued.")
    finished: Epoch | None = Field(description="Epoch seconds, UTC; null until it has ended.")
    timings: dict[str, float] = Field(
        description="Seconds per phase; `restored_<how>` counts restores.",
        examples=[{"queued_s": 0.004, "run_s": 1.31}],
    )
    result: dict[str, Any] | None = Field(
        description="What it made; null until it has succeeded. step: {head, frame_index, steps: [{checkpoint_id, "
        "frame_index, wall_s, bytes_new, action_source, steered}]}; create and fork: {session_id, checkpoint_id}; "
        "rewind: {head, frame_index}; checkpoint: {checkpoint_id, durability}; video: {href, bytes, frames}.",
        examples=[{"head": CHECKPOINT_EXAMPLE, "frame_index": 8}],
    )
    error: JobError | None = Field(description="Why it failed; null otherwise.")
    if_head: CheckpointId | None = Field(description="The head that the client asked for; null: any.")
    bulk: bool = Field(description="Done after interactive work.")


class SessionAnswer(View):
    """One session."""

    session: SessionView


class WorkAccepted(View):
    """Accepted work; poll the job at the Location, or wait with ?wait=."""

    job: JobView


class InitialFrame(View):
    """The image that came and what becomes of it."""

    width: int | None = Field(None, description="Pixels, as it came; null for a sample.", examples=[640])
    height: int | None = Field(None, description="Pixels, as it came; null for a sample.", examples=[480])
    note: str | None = Field(
        None, description="What becomes of it, in words.", examples=["scaled to 64 x 64 by the worker"]
    )


class SessionAccepted(View):
    """A new session and the job that makes it ready."""

    session_id: SessionId
    session: SessionView
    job: JobView
    initial_frame: InitialFrame | None = Field(
        None, description="The image that came and what becomes of it; only when a session is created."
    )


class SessionPage(View):
    """A page of sessions, newest first."""

    items: list[SessionView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=[SESSION_EXAMPLE])


class JobPage(View):
    """A page of jobs, newest first."""

    items: list[JobView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=[JOB_EXAMPLE])


class JobsAnswer(View):
    """For a list: one entry per job, in that order. For one form: what the kind's own route answers."""

    items: list[dict[str, Any]] | None = Field(
        None,
        description="{job} or {problem} each; {session_id, session} too for create and fork.",
        examples=[[{"job": {"id": JOB_EXAMPLE, "state": "queued"}}]],
    )
    job: JobView | None = Field(None, description="The job, for one form.")
    session: SessionView | None = Field(None, description="The new session, for one form of kind create or fork.")


class Health(View):
    """State of the server and of what it needs."""

    status: Literal["ok", "degraded", "down"] = Field(description="ok when every check is.")
    checks: dict[str, str] = Field(
        default_factory=dict,
        description="By part: ok, missing, or the name of the error.",
        examples=[{"redis": "ok", "object_store": "ok", "worker": "missing"}],
    )
