"""Stage 2: train the eyes on encoded frames whose true positions are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.eyes import MIDDLE, SCALE, Eyes, Things
from arc_fabric.models.tabletop.latent_pool import LatentPool
from arc_fabric.models.tabletop.loop import Budget, Trainer
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.vae import CausalVAE


@dataclass(frozen=True)
class EyesSettings:
    """Settings of stage 2 (table `eyes` of the config file)."""

    seed: int = 4
    episodes: int = 500
    batch: int = 192
    steps: int = 100_000
    minutes: float = 6.0
    muon_lr: float = 0.01
    adam_lr: float = 1.5e-3
    noise: float = 0.2
    """Largest noise added to the latents, as in the history of stage 3."""


def train_eyes(
    settings: EyesSettings,
    vae_weights: dict[str, Tensor],
    folder: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
) -> dict[str, Tensor]:
    """Train, checkpoint to `folder/eyes.safetensors`; returns the averaged weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    vae = CausalVAE().eval()
    vae.load_state_dict(vae_weights)
    eyes = Eyes(vae.channels).to(device)
    optimizer = MuonAdam(eyes, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=("outer", "where"))
    trainer = Trainer(eyes, optimizer, Budget(settings.steps, settings.minutes), folder / "eyes.safetensors")
    if resume:
        trainer.resume()
    pool = LatentPool(vae, settings.seed, settings.episodes)
    pool.grow(settings.episodes, "encoding")

    def losses(_: int) -> dict[str, Tensor]:
        latents, truth = (part.to(device) for part in pool.draw_frames(rng, settings.batch))
        level = settings.noise * torch.rand(len(latents), 1, 1, 1, device=device)
        with torch.autocast(device, torch.bfloat16):
            seen = eyes(latents + level * torch.randn_like(latents))
        return _losses(seen, truth)

    trainer.train(losses, title="eyes", every=100)
    return trainer.averaged()


def _losses(seen: Things, truth: Tensor) -> dict[str, Tensor]:
    """Truth [N, 4 + 4 * kinds] as in `latent_pool.Windows`."""
    known = truth.unflatten(-1, (-1, 4))
    places = known[..., :3] * known.new_tensor(SCALE) + known.new_tensor(MIDDLE)
    there = known[:, 1:, 3]
    gripper = (seen.pose[:, :3] - places[:, 0]).abs().mean()
    closed = (seen.pose[:, 3] - (1 - 2 * known[:, 0, 3])).abs().mean()
    error = (seen.places - places[:, 1:]).abs().mean(-1)
    objects = (error * there).sum() / there.sum()
    presence = F.binary_cross_entropy_with_logits(seen.there, there)
    loss = gripper + objects + closed + presence
    found = {"gripper_px": gripper, "object_px": objects, "closed": closed, "presence": presence}
    return {"loss": loss, **{name: value.detach() for name, value in found.items()}}
