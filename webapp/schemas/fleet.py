"""Answers for operators, as OpenAPI shows them: the model, its samples, workers, queues and storage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from arc_fabric.records import Worker
from arc_fabric.records.types import Epoch
from webapp.schemas.views import NEXT, View, shows


class ControlView(View):
    """One number of an action, where the model says what it is."""

    name: str = Field(description="What it is called.", examples=["forward"])
    kind: str = Field(description="`discrete` (whole numbers) or `continuous`.", examples=["discrete"])
    low: float = Field(description="Least value that is taken.", examples=[0])
    high: float = Field(description="Greatest value that is taken.", examples=[1])
    choices: list[str] = Field(description="Names of the values from `low` on, or none.", examples=[["up", "down"]])
    unit: str = Field(description="Its unit; may be empty.", examples=["degrees"])


class GeometryView(View):
    """Sizes of the running model, for one session."""

    image_height: int = Field(description="Pixels of a video frame.", examples=[64])
    image_width: int = Field(description="Pixels of a video frame.", examples=[64])
    fps: float = Field(description="Frames per second of the video.", examples=[8.0])
    frames_per_latent: int = Field(description="Video frames per latent frame after a window's first.", examples=[4])
    latents_per_block: int = Field(description="Latent frames per step: K of [B, K, C, h, w].", examples=[2])
    frames_per_step: int = Field(description="Video frames that a step adds.", examples=[8])
    window: int = Field(description="Latent frames per window, its anchor included; 0: none ends.", examples=[9])
    latent_channels: int = Field(description="C of the latents [B, K, C, h, w].", examples=[8])
    latent_height: int = Field(description="h of the latents [B, K, C, h, w].", examples=[8])
    latent_width: int = Field(description="w of the latents [B, K, C, h, w].", examples=[8])
    tokens_per_latent: int = Field(description="KV tokens per latent frame.", examples=[64])
    layers: int = Field(description="Layers with a KV cache.", examples=[6])
    heads: int = Field(description="Attention heads per layer.", examples=[4])
    head_dim: int = Field(description="Numbers per head; KV is [2, B, tokens, heads, head_dim].", examples=[32])
    action_dim: int = Field(description="Numbers per action.", examples=[3])
    action_horizon: int = Field(description="Actions per step, [action_horizon][action_dim].", examples=[8])
    state_dim: int = Field(description="Numbers of a robot state.", examples=[3])
    cameras: int = Field(description="Pictures per frame.", examples=[1])
    observed_frames: int = Field(
        description="Real frames that a closed-loop step takes; 0: frames_per_step.", examples=[0]
    )
    observed_counts: list[int] = Field(description="Other numbers of real frames that it takes.", examples=[[]])
    action_low: list[float] = Field(
        description="Least value per action number, in the model's own units; empty: not limited.",
        examples=[[-1.0, -1.0, 0.0]],
    )
    action_high: list[float] = Field(
        description="Greatest value per action number, in the model's own units; empty: not limited.",
        examples=[[1.0, 1.0, 1.0]],
    )
    action_names: list[str] = Field(
        description="What each action number is; empty: not named.", examples=[["dx", "dy", "grip"]]
    )
    action_units: list[str] = Field(
        default_factory=list, description="Unit of each action number; empty: not said.", examples=[["cm", "cm", ""]]
    )
    controls: list[ControlView] = Field(
        default=[], description="What each action number is, with its limits, which are kept; empty: not declared."
    )


class ModelSettingView(View):
    """A setting of the model that each session may have another value of (`model_settings`)."""

    name: str = Field(description="Its name.", examples=["guidance"])
    kind: Literal["discrete", "continuous"] = Field(description="Discrete: whole numbers.")
    default: float = Field(description="What a session has that says nothing.", examples=[1.0])
    low: float = Field(description="The least value.", examples=[0.0])
    high: float = Field(description="The greatest value.", examples=[10.0])
    description: str = Field(description="What it does.", examples=["How much predicted actions follow the prompt."])


class AbilitiesView(View):
    """What the running model can do; the platform adapts to it."""

    steers_with_actions: bool = Field(description="Given actions change the video; false: they are recorded only.")
    batches: bool = Field(description="Several sessions can step in one forward pass.")
    batch_bit_exact: bool = Field(description="A row of a batch has the same bits as the same step alone.")
    rebuilds_kv: bool = Field(description="Its KV can be rebuilt bit for bit from latents and prompts.")
    predicts_actions: bool = Field(description="Its policy chooses actions where none are given.")
    observes: bool = Field(description="A step takes real frames (`observed`, closed loop).")
    imagines: bool = Field(
        default=True,
        description="Steps go on from imagined frames; false: all but the first need `observed`.",
    )
    remembers: bool = Field(description="A new window knows what the last one knew, things that are hidden included.")
    uses_crossattn_cache: bool = Field(description="It keeps cross-attention caches; false: snapshots leave them out.")
    rebuilds_world: bool = Field(
        default=False, description="Its caches can be rebuilt bit for bit from the latents of a whole world."
    )
    needs_picture: bool = Field(default=True, description="A world begins from a picture; false: the prompt is enough.")
    settings: list[ModelSettingView] = Field(
        default=[], description="What each session may set for itself (`model_settings`)."
    )
    streams: bool = Field(default=False, description="Live frames of a step come before it is done.")


class IdentityView(View):
    """What must be equal for a restored state to go on with the same bits; every manifest records it."""

    name: str = Field(description="Name of the model.", examples=["tabletop"])
    weights_digest: str = Field(description="Digest of its weights.", examples=["sha256:9f2c51"])
    dtype: str = Field(description="Number format of the states.", examples=["float32"])
    attention_backend: str = Field(description="How attention is computed.", examples=["sdpa"])
    device_kind: str = Field(description="Kind of device.", examples=["cpu x86_64"])
    sampler: dict[str, Any] = Field(description="Settings of the sampler by name.", examples=[{"steps": 3}])
    software: dict[str, str] = Field(description="Versions by package.", examples=[{"torch": "2.9.0"}])


class ModelAnswer(View):
    """The model that the workers run."""

    name: str = Field(description="The setting `model`.", examples=["tabletop"])
    geometry: GeometryView = Field(description="Its sizes.")
    abilities: AbilitiesView = Field(description="What it can do.")
    identity: IdentityView = Field(description="What makes its bits.")


class SampleView(View):
    """A picture that a session can begin with."""

    name: str = Field(description="Its name.", examples=["cup-and-block"])
    initial_frame: str = Field(
        description="What to give as `initial_frame` of POST /api/sessions.", examples=["sample:cup-and-block"]
    )
    url: str = Field(description="Path of the picture, PNG.", examples=["/api/samples/cup-and-block"])


class SamplePage(View):
    """A page of samples, by name."""

    next: str | None = Field(description=NEXT, examples=["cup-and-block"])
    items: list[SampleView] = Field(description="At most `limit`.")


@shows(Worker)
class WorkerView(View):
    """A worker as HTTP shows it."""


class WorkerPage(View):
    """A page of worker processes, by name."""

    next: str | None = Field(description=NEXT, examples=["gpu.1"])
    items: list[WorkerView] = Field(description="At most `limit`.")


class QueueView(View):
    """A Celery queue."""

    name: str = Field(description="interactive, bulk, media, or a worker's name.", examples=["interactive"])
    length: int = Field(description="Tickets waiting.", examples=[2])


class CountsView(View):
    """Totals of the ledger."""

    sessions_open: int = Field(description="Open sessions that take a slot.", examples=[3])
    sessions: int = Field(description="Sessions known, closed ones included.", examples=[41])
    jobs_unfinished: int = Field(description="Jobs queued or running.", examples=[5])
    jobs: int = Field(description="Jobs known; old finished ones are forgotten.", examples=[870])
    nodes_pending: int = Field(description="Checkpoints that are not stored yet.", examples=[1])
    workers_alive: int = Field(description="Workers that are idle, busy or draining.", examples=[3])
    trees: int = Field(description="Trees known.", examples=[12])
    trees_resting: int = Field(description="Trees that rest in object storage.", examples=[9])


class QueuesAnswer(View):
    """What waits."""

    items: list[QueueView] = Field(description="Each worker's own queue, then the shared ones.")
    counts: CountsView = Field(description="Totals.")


class UsageView(View):
    """What the holder of a token has, and may have (setting `quotas`)."""

    name: str = Field(description="The token's name; `local` where there are no tokens.", examples=["ci"])
    sessions_open: int = Field(description="Open sessions that are not bulk.", examples=[2])
    bytes_stored: int = Field(
        description="Bytes that its sessions' steps have stored, less those of deleted trees.", examples=[206_438_400]
    )
    sessions_allowed: int | None = Field(description="Open sessions allowed; null: no bound of its own.", examples=[5])
    bytes_allowed: int | None = Field(description="Bytes allowed; null: no bound.", examples=[200_000_000_000])


class UsagePage(View):
    """A page of usage, by token name."""

    next: str | None = Field(description=NEXT, examples=["ci"])
    items: list[UsageView] = Field(description="At most `limit`.")


class KindUsage(View):
    """What one kind of object takes."""

    objects: int = Field(description="How many there are.", examples=[1_280])
    bytes: int = Field(description="Their size.", examples=[206_438_400])


class StorageAnswer(View):
    """What is in the object store, as last counted."""

    bucket: str = Field(description="The bucket (setting `s3_bucket`).", examples=["arc-fabric"])
    kinds: dict[str, KindUsage] = Field(
        description="By the first part of the key: checkpoints, videos, inputs, ...",
        examples=[{"checkpoints": {"objects": 1_280, "bytes": 206_438_400}}],
    )
    objects: int = Field(description="Objects counted.", examples=[1_302])
    truncated: bool = Field(description="There are more objects than are counted (200,000).")
    counted: Epoch = Field(description="When; epoch seconds, UTC. At most every 15 s.")
    nodes_pending: int = Field(description="Checkpoints that are not stored yet, now.", examples=[1])


class FreeableReport(View):
    """What a pass of the collector would free. Bytes are of objects."""

    counted: Epoch = Field(description="When it was counted; epoch seconds, UTC.")
    seconds: float = Field(description="How long counting took.", examples=[0.8])
    objects: int = Field(description="Objects that nothing refers to and whose grace period is over.", examples=[24])
    bytes: int = Field(description="Their size: what may go now.", examples=[48_300_000])
    waiting_objects: int = Field(description="Objects that wait until their grace period is over.", examples=[12])
    waiting_bytes: int = Field(description="Their size.", examples=[9_400_000])
    orphans: int = Field(description="Checkpoints that no node of a tree names.", examples=[2])
    orphan_bytes: int = Field(description="Their size.", examples=[1_800_000])
    inputs: int = Field(description="Of all these objects, given pictures that nothing names.", examples=[3])
    input_bytes: int = Field(description="Their size.", examples=[120_000])
    clips: int = Field(description="Of all these objects, old clips and those without a checkpoint.", examples=[5])
    clip_bytes: int = Field(description="Their size.", examples=[2_400_000])
    leftover: int = Field(description="Objects of trees that rest no more.", examples=[0])
    leftover_bytes: int = Field(description="Their size.", examples=[0])
    expired_trees: int = Field(description="Trees whose time is over by the setting `retention`.", examples=[1])
    unreadable: int = Field(description="Manifests that cannot be read: nothing is deleted then.", examples=[0])
    budget_bytes: int | None = Field(description="The setting `storage_budget_bytes`; null: none.", examples=[10**10])
    stored_bytes: int | None = Field(description="What counts against it.", examples=[8_700_000_000])
    kv_checkpoints: int = Field(description="Checkpoints whose KV has to go for it.", examples=[0])
    kv_bytes: int = Field(description="Its size.", examples=[0])


class FreeableAnswer(View):
    """What the collector would free, as last counted."""

    asked: Epoch | None = Field(description="Since when a new count is waited for; null: none is.")
    report: FreeableReport | None = Field(description="The last count; null: there was none yet.")
