"""Answers, as OpenAPI shows them; the ledger's records render to exactly these members."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from webapp.schemas.ids import CheckpointId, JobId, SessionId

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Durability = Literal["pending", "durable", "deleted", "damaged"]


class View(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="allow")


class Problem(View):
    """An error (RFC 9457) with a stable code and what to do about it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What happened and what was expected.")
    what_to_do: str
    code: str = Field(description="Stable error name.", examples=["SessionNotFound"])
    request_id: str | None = None
    instance: str | None = None


class SessionView(View):
    """A session: a head in a trajectory tree, and who works on it."""

    id: SessionId
    state: Literal["open", "closed"]
    bulk: bool
    label: str | None
    model: str | None
    prompt: str = Field(description="Applies from the next step.")
    seed: int | None
    embodiment_id: int
    head: CheckpointId | None = Field(description="Current checkpoint; null until the create job has run.")
    root: CheckpointId | None
    tree_id: CheckpointId | None
    frame_index: int = Field(description="Steps from the root.")
    n_frames: int = Field(description="Video frames from the root to the head, the initial frame included.")
    parent_session: SessionId | None
    parent_checkpoint: CheckpointId | None
    forked_at: int | None = Field(description="frame_index at which it was forked.")
    created: float = Field(description="Epoch seconds, UTC.")
    updated: float = Field(description="Epoch seconds, UTC.")
    worker: str | None
    queued: int = Field(description="Jobs waiting.")
    running_job: JobId | None


class JobError(View):
    """Why a job failed."""

    type: str
    message: str
    what_to_do: str
    context: dict[str, Any]


class JobView(View):
    """A piece of accepted work."""

    id: JobId
    kind: str
    session_id: SessionId
    state: JobState
    seq: int = Field(description="Place in the session's order.")
    params: dict[str, Any]
    progress: dict[str, Any] = Field(description="{done, total} in steps.")
    worker: str | None
    placement: dict[str, Any] = Field(description="{worker, reason}: why it went there.")
    created: float
    started: float | None
    finished: float | None
    timings: dict[str, Any] = Field(description="Seconds per phase.")
    result: dict[str, Any] | None
    error: JobError | None
    if_head: CheckpointId | None
    bulk: bool


class NodeView(View):
    """A checkpoint in a trajectory tree."""

    id: CheckpointId
    parent: CheckpointId | None
    session_id: SessionId
    tree_id: CheckpointId
    frame_index: int
    created: float
    prompt: str
    seed: int | None
    prompt_mode: str
    action_source: Literal["given", "predicted"] | None
    steered: bool | None = Field(
        description="Whether the given actions steered the world; false: the model recorded them and followed its own "
        "prediction. Null where none were given."
    )
    actions: list[list[float]] | None = Field(description="float [action_horizon][action_dim].")
    state: list[float] | None
    observed: int = Field(
        description="Real frames given with this step in place of the imagined ones (closed loop); 0: none. "
        "GET /api/checkpoints/{id}/observed has them."
    )
    durability: Durability
    failed: bool
    label: str | None
    bookmarked: bool
    pinned: bool = Field(description="Its pieces stay in a worker's host memory and its KV is never dropped.")
    score: float | None
    bytes_new: int = Field(description="Bytes this step added to storage.")
    bytes_total: int = Field(description="Bytes of the whole snapshot, shared ones included.")
    wall_s: float
    job_id: JobId | None
    worker: str | None
    window_start: int | None
    n_frames: int = Field(description="Video frames this node adds.")
    children: list[CheckpointId]


class SessionAnswer(View):
    """One session."""

    session: SessionView


class WorkAccepted(View):
    """Accepted work; poll the job at the Location, or wait with ?wait=."""

    job: JobView


class SessionAccepted(View):
    """A new session and the job that makes it ready."""

    session_id: SessionId
    session: SessionView
    job: JobView
    initial_frame: dict[str, Any] | None = Field(
        None, description="{width, height, note}: the image that came and what becomes of it."
    )


class SessionPage(View):
    """A page of sessions, newest first."""

    items: list[SessionView]
    next: str | None = Field(description="Cursor of the next page.")


class JobPage(View):
    """A page of jobs, newest first."""

    items: list[JobView]
    next: str | None = Field(description="Cursor of the next page.")


class JobsAnswer(View):
    """For a list: one entry per job, in that order. For one form: what the kind's own route answers."""

    items: list[dict[str, Any]] | None = Field(
        None, description="{job} or {problem} each; {session} too for create and fork."
    )
    job: JobView | None = None
    session: SessionView | None = None


class TreeAnswer(View):
    """A tree (parents before children) and the sessions that grow in it; with format=d3 nested from the root."""

    tree_id: CheckpointId | None = None
    root: CheckpointId | None = None
    nodes: list[NodeView] | None = None
    sessions: list[SessionView] | None = None
    children: list[dict[str, Any]] | None = None


class EventPage(View):
    """Events after an id, oldest first."""

    items: list[dict[str, Any]]
    next: str | None = Field(description="Pass it as last_id for the following ones.")


class CheckpointAnswer(NodeView):
    """A checkpoint with its sizes, durability and lineage."""

    lineage: list[CheckpointId] = Field(description="Ids from the root to this checkpoint.")
    storage: dict[str, Any] = Field(description="{objects: {name: bytes}, manifest: path} as far as stored.")


class CompareAnswer(View):
    """Where branches part, and how far."""

    nodes: list[dict[str, Any]]
    common_ancestor: CheckpointId | None
    common_frame_index: int | None
    fork_step: int | None = Field(description="First step after the common ancestor.")
    first_differing_frame_index: int | None = Field(description="First step whose latents differ.")
    first_differing_video_frame: int | None
    series: dict[str, dict[str, list[float | None]]] = Field(
        description="latent: RMS per frame_index; pixel: mean absolute difference per video frame (0..255); "
        "action: RMS per frame_index. Keys are 'a|b'."
    )
    equal: dict[str, bool] = Field(description="Whether all latents after the common ancestor are equal.")


class GpuView(View):
    """How busy a device is."""

    name: str
    utilisation_percent: int | None = Field(description="0 to 100, by NVML; null where it does not answer.")
    memory_used_bytes: int = Field(description="By all processes on the device.")
    memory_total_bytes: int


class WorkerView(View):
    """A worker process as its last heartbeat described it."""

    name: str
    state: Literal["starting", "idle", "busy", "draining", "down"]
    role: Literal["gpu", "media"] = Field(
        description="gpu: has a model and owns sessions, also on a CPU; media: clips."
    )
    device: str
    model: str | None
    host: str
    pid: int
    started: float
    last_seen: float
    current_job: JobId | None
    current_session: SessionId | None
    resident: list[SessionId] = Field(description="Sessions whose state is in its memory.")
    pinned: list[CheckpointId] = Field(description="Pinned checkpoints that it keeps in host memory.")
    steps_done: int
    memory: dict[str, int] = Field(description="Bytes of this process: rss, device, tiers of the store.")
    gpu: GpuView | None = Field(description="Its device; null on a CPU.")
    machine: dict[str, float] = Field(
        description="{cpu_percent, memory_used_bytes, memory_total_bytes} of the machine it runs on; empty before the "
        "first heartbeat."
    )
    queued: int = Field(description="Tickets in its own queue.")
    sessions: list[SessionId] = Field(description="Open sessions that it owns.")


class WorkerList(View):
    """Worker processes by name."""

    items: list[WorkerView]


class Listing(View):
    """A plain list."""

    items: list[dict[str, Any]]


class Facts(View):
    """Facts by name."""


class Health(View):
    """State of the server and of what it needs."""

    status: Literal["ok", "degraded", "down"]
    checks: dict[str, Any] = Field(default_factory=dict)
