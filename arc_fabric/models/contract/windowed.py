"""Models of DreamZero's surface: state on `action_head`, windows that are anchored anew, a pending block.

Such a model presents DreamZero's public surface: `action_head` holds all state that survives a call, and
`lazy_joint_video_action_causal()` advances it by one block. The StateManager saves and restores that
state through the attributes named in `TENSORS`, `LISTS` and `SCALARS` and nothing else.

Ownership rules
- KV tensors are replaced, never written in place. The *lists* that hold them may be mutated: copy the list.
- The newest block is not in the KV yet ("pending block"): the caller keeps the last `video_pred` and gives it
  back as `latent_video`. Call 1 of a window prefills its first image (1 latent frame) and returns 1 + K
  latent frames (K = `Geometry.latents_per_block`); later calls prefill the pending block and return K.
- After call n of a window: `current_start_frame == 1 + K * n`; the KV holds `1 + K * (n - 1)` latent frames.
- A call resets the window by itself when `images` has T == 1, when `language` is None or differs from the text given,
  or when `current_start_frame >= Geometry.window`. A reset drops the caches and encodes the image given.
- A call that raises leaves undefined state: restore afterwards.

Where `abilities.batches`, one call steps several sessions that stand at the same place of their windows: the inputs
are joined with `torch.cat` per name, caches of the head along axis 1, its other tensors along axis 0, and
`action_head.seed` is a list of one seed per row. A model that can do that in two ways, with the bits of each row alone
and faster, equal to rounding, has an attribute `exact_batches` that says which (bool).

Where it declares `abilities.settings`, `action_head.settings` is set before every call: a mapping of those that are not
as they are by default. Rows of a batch have equal ones.

A model over several processes (`arc_fabric.ranks`) has an attribute `holds`: those of `LISTS` that this process fills.
The other ones are empty here, and belong to another process.

A model whose calls leave the interpreter for most of their time may have an attribute `on_compute`, a callable without
arguments that every call calls at that moment: Python work of other threads then holds it up least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from arc_fabric.models.contract.sizes import Abilities, Geometry, ModelIdentity

if TYPE_CHECKING:
    import numpy as np
    import torch

TENSORS = ("clip_feas", "ys", "language")
LISTS = ("kv_cache1", "kv_cache_neg", "crossattn_cache", "crossattn_cache_neg")
SCALARS = ("current_start_frame", "seed")


@dataclass(frozen=True)
class Conditioning:
    """One block's inputs other than latents: what a KV rebuild needs beside the latents."""

    prompt: str
    action: np.ndarray | None = None
    """float32 [action_horizon, action_dim]: the clean actions that stand in the KV for this block, or
    None."""
    state: np.ndarray | None = None
    """float32 [state_dim], or None."""


@runtime_checkable
class WorldModel(Protocol):
    """A loaded model on one device. Not thread-safe: one thread owns it."""

    action_head: Any
    abilities: Abilities
    geometry: Geometry
    device: torch.device

    def identity(self) -> ModelIdentity:
        """The identity recorded in snapshots; computed once."""

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] of any size -> uint8 [image_height, image_width, 3] as the model wants it."""

    def make_inputs(
        self,
        frames: np.ndarray,
        prompt: str,
        *,
        action: np.ndarray | None = None,
        state: np.ndarray | None = None,
        embodiment_id: int = 0,
    ) -> dict[str, torch.Tensor]:
        """Build the tensors of a call: frames uint8 [T, H, W, 3] (T == 1 starts a window), action float32
        [action_horizon, action_dim] or None (the policy predicts), state float32 [state_dim] or None."""

    def lazy_joint_video_action_causal(
        self, inputs: dict[str, torch.Tensor], latent_video: torch.Tensor | None = None
    ) -> Mapping[str, torch.Tensor]:
        """One step. Returns `video_pred` [B, C, K (+1 on a new window), h, w] and `action_pred`
        [B, action_horizon, action_dim] (the given actions where they were given)."""

    def decode(self, latents: torch.Tensor, start: int = 0) -> np.ndarray:
        """Decode latent frames `start:` of one window, latents [1, C, T, h, w] from the window's anchor on,
        to uint8 [F, H, W, 3]. The anchor gives 1 frame, every later latent `frames_per_latent`. A pure
        function of its arguments."""

    def encode_observed(self, frames: np.ndarray) -> torch.Tensor:
        """Real frames uint8 [T, H, W, 3] seen since the last call -> latents [1, C, K, h, w] that stand for
        the pending block in place of the imagined ones. Raises if `abilities.observes` is False."""

    def rebuild_kv(self, latents: torch.Tensor, blocks: list[Conditioning]) -> None:
        """Refill `action_head`'s KV caches from one window's latents [1, C, T, h, w] that belong in the KV (T
        == 1 + K * (n - 1), the pending block excluded). `blocks` has one entry per prefill: `blocks[0]` for
        the anchor, `blocks[i]` for block i (n entries). An entry's prompt is that of the call that prefilled
        it (block i is prefilled by call i + 1, under that call's prompt); its action and state are those of
        the call that generated it (None for the anchor). Reads `clip_feas`, `ys` from the head; bit-exact
        with the step path. Raises if `abilities.rebuilds_kv` is False."""

    def language_of(self, prompt: str) -> torch.Tensor:
        """The tensor that `action_head.language` holds for this prompt (int64 [1, L])."""
