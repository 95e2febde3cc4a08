"""What a model can do, its sizes, the form of its actions, and its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Control:
    """One number of an action that a model declares: a key, a button, a wheel, a camera's turn.

    >>> controls = Control("forward", "discrete", 0, 1), Control("yaw", "continuous", -15.0, 15.0, unit="degrees")
    """

    name: str
    kind: Literal["discrete", "continuous"]
    low: float
    """The least value; of a discrete one the first choice."""
    high: float
    """The greatest value, allowed itself; of a discrete one the last choice."""
    choices: tuple[str, ...] = ()
    """Of a discrete one: what `low`, `low + 1`, ... are called; empty: not named."""
    unit: str = ""

    def __post_init__(self) -> None:
        whole = float(self.low).is_integer() and float(self.high).is_integer()
        if self.kind == "discrete" and not whole:
            raise ValueError(f"{self.name}: the limits of a discrete control are whole numbers.")
        if self.choices and len(self.choices) != self.high - self.low + 1:
            raise ValueError(f"{self.name} names {len(self.choices)} choices for {self.low} to {self.high}.")


@dataclass(frozen=True)
class ModelSetting:
    """A number that decides how a model steps, and that each session may set for itself: guidance, sampler steps.

    >>> ModelSetting("steps", "discrete", default=6, low=1, high=32).default
    6
    """

    name: str
    kind: Literal["discrete", "continuous"]
    """Discrete: whole numbers."""
    default: float
    """What a session has that says nothing; its bits are those of the model before it declared this."""
    low: float
    high: float
    """The limits are allowed themselves."""
    description: str = ""

    def __post_init__(self) -> None:
        numbers = (self.default, self.low, self.high)
        if self.kind == "discrete" and not all(float(number).is_integer() for number in numbers):
            raise ValueError(f"{self.name}: default and limits of a discrete setting are whole numbers.")
        if not self.low <= self.default <= self.high:
            raise ValueError(f"{self.name}: the default {self.default} is not within {self.low} to {self.high}.")


@dataclass(frozen=True)
class Abilities:
    """What a model can do; the platform adapts and the API shows it."""

    steers_with_actions: bool
    """A given action changes the video. False: a given action is recorded only."""
    batches: bool
    """Several sessions can step in one forward pass (see `windowed`)."""
    batch_bit_exact: bool
    """A row of a batch has the same bits as the same step alone."""
    rebuilds_kv: bool
    """The caches can be refilled bit-exactly from a window's latents and per-block prompts (`rebuild_kv`)."""
    predicts_actions: bool = True
    observes: bool = False
    """`encode_observed` turns real frames into the pending block, for closed-loop use."""
    imagines: bool = True
    """False: what a step adds is left noisy, so that the next one needs real frames (`observed`)."""
    remembers: bool = False
    """A new window can know what the last one knew: who begins it puts that window's `ys` on `action_head.memory`, and
    the call takes it off."""
    uses_crossattn_cache: bool = True
    """False: the cross-attention caches are never written (all zero), so that snapshots leave them out."""
    rebuilds_world: bool = False
    """`rebuild` refills the caches bit-exactly from the latents of all steps of a world. That costs more with every
    step, so KV that only this brings back is never dropped by policy `auto`."""
    needs_picture: bool = True
    """False: a world can begin from its prompt alone."""
    settings: tuple[ModelSetting, ...] = ()
    """What each session may set for itself (see `StepInput.settings`; with DreamZero's surface `action_head.settings`).
    A setting says how a step is made, not what the step before left: caches that are rebuilt do not depend on it."""
    streams: bool = False
    """A step hands pictures on (`StepInput.show`) before its block is done."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of one model, all for batch size 1."""

    image_height: int
    image_width: int
    fps: float
    frames_per_latent: int
    """Video frames per latent frame after the first (temporal compression, 4 for Wan)."""
    latents_per_block: int
    """Latent frames per step (`num_frame_per_block`)."""
    window: int
    """Latent frames per window (`local_attn_size`), the anchor frame included: 1 + K * steps_per_window. 0: no window
    ends, and nothing is anchored anew."""
    latent_channels: int
    latent_height: int
    latent_width: int
    tokens_per_latent: int
    layers: int
    heads: int
    head_dim: int
    action_dim: int
    action_horizon: int
    """Actions per step; one per new video frame where `steers_with_actions`."""
    state_dim: int
    cameras: int = 1
    observed_frames: int = 0
    """Real frames that closed-loop use gives per step; 0: `frames_per_step`."""
    observed_counts: tuple[int, ...] = ()
    """Other numbers of real frames that a step takes."""
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    action_names: tuple[str, ...] = ()
    action_units: tuple[str, ...] = ()
    """Unit of each action number, for people; "": it has none."""
    controls: tuple[Control, ...] = ()
    """What each number of an action is, one per `action_dim`; empty: the fields above say what is known. Given
    actions beyond these limits are refused."""

    def __post_init__(self) -> None:
        """Controls give the limits and names."""
        if not self.controls:
            return
        if len(self.controls) != self.action_dim:
            raise ValueError(f"{len(self.controls)} controls for action_dim {self.action_dim}.")
        for name, values in (
            ("action_low", tuple(float(one.low) for one in self.controls)),
            ("action_high", tuple(float(one.high) for one in self.controls)),
            ("action_names", tuple(one.name for one in self.controls)),
            ("action_units", tuple(one.unit for one in self.controls)),
        ):
            object.__setattr__(self, name, values)

    @property
    def frames_per_step(self) -> int:
        """New video frames per step."""
        return self.frames_per_latent * self.latents_per_block

    @property
    def steps_per_window(self) -> int:
        """Steps before the window is full and is re-anchored on the last decoded frame; 0: it never is."""
        return 0 if self.window == 0 else (self.window - 1) // self.latents_per_block


@dataclass(frozen=True)
class ModelIdentity:
    """What must be equal for a restored state to continue with the same bits."""

    name: str
    weights_digest: str
    dtype: str
    attention_backend: str
    device_kind: str
    sampler: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form stored in manifests."""
        return asdict(self)

    def digest(self) -> str:
        """SHA-256 over the canonical JSON form, in hex."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
