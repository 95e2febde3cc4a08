"""What the tabletop model says of itself: its geometry and its identity."""

from __future__ import annotations

import platform
from dataclasses import asdict

import torch

from arc_fabric.models.contract import Geometry, ModelIdentity
from arc_fabric.models.tabletop.net.sampler import HORIZON, SamplerSettings
from arc_fabric.models.tabletop.net.tokens import BLOCK, TOKENS, DitShape
from arc_fabric.models.tabletop.net.vae import GROUP
from arc_fabric.models.tabletop.world.limits import MAX_STEP, SIZE

WINDOW = 9
"""Latent frames per window: the anchor and four blocks."""

REVISION = "4"
"""Changes when the same weights compute other bits than before."""


def geometry_of(shape: DitShape) -> Geometry:
    """Sizes of latents, blocks, windows and caches."""
    return Geometry(
        image_height=SIZE,
        image_width=SIZE,
        fps=10.0,
        frames_per_latent=GROUP,
        latents_per_block=BLOCK,
        window=WINDOW,
        latent_channels=shape.channels,
        latent_height=8,
        latent_width=8,
        tokens_per_latent=TOKENS,
        layers=shape.layers + 1,  # the last holds what the pointers point at
        heads=shape.heads,
        head_dim=shape.head_dim,
        action_dim=4,
        action_horizon=HORIZON,
        state_dim=4,
        action_low=(-MAX_STEP,) * 3 + (-1.0,),
        action_high=(MAX_STEP,) * 3 + (1.0,),
        action_names=("dx", "dy", "dz", "grip"),
        action_units=("px", "px", "px", ""),
    )


def identity_of(weights_digest: str, device: torch.device, sampler: SamplerSettings) -> ModelIdentity:
    """What must be equal for restored states to continue with the same bits."""
    return ModelIdentity(
        name="tabletop",
        weights_digest=weights_digest,
        dtype="float32",
        attention_backend="sdpa",
        device_kind=f"cpu {platform.machine()}" if device.type == "cpu" else torch.cuda.get_device_name(device),
        sampler=asdict(sampler),
        software={"torch": torch.__version__, "tabletop": REVISION},
    )
