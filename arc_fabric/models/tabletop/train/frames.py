"""First stage: train the VAE on rendered episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.tabletop.net.vae import GROUP, CausalVAE, to_floats
from arc_fabric.models.tabletop.train.loop import Budget, Run, channels_last, optimizers
from arc_fabric.models.tabletop.world.episodes import sample_episode

FRAMES = 65
"""Frames per episode."""


@dataclass(frozen=True)
class VaeSettings:
    """Settings of this stage (table `vae` of the config file)."""

    seed: int = 12
    episodes: int = 500
    batch: int = 24
    minutes: float = 25.0
    adam_lr: float = 1.5e-3
    kl: float = 1.5e-4
    l1: float = 1.5
    chroma: float = 1.0
    """Weight of mean absolute errors of the differences between colours: a grey gripper stays grey."""
    cycle: float = 1.0
    """Weight of the cycle: the last frame of a decoded group, encoded again as an anchor, decodes to the true frame."""
    object_weight: float = 3.0
    """Extra weight of pixels that differ from their row's background."""
    contrast_weight: float = 6.0
    """Extra weight of pixels per unit of that difference (black and white differ by 2): the thin dark fingers."""


class FramePool:
    """Rendered episodes in memory, uint8 [E, F, 64, 64, 3]; `draw` gives groups of four frames."""

    def __init__(self, seed: int, episodes: int) -> None:
        rng = np.random.default_rng(seed)
        self.video = torch.from_numpy(np.stack([sample_episode(rng, FRAMES).frames() for _ in range(episodes)]))

    def draw(self, rng: torch.Generator, count: int) -> Tensor:
        """Float [count, 12, 64, 64] in [-1, 1]; a quarter of the groups is one frame four times, as an anchor is."""
        episode = torch.randint(len(self.video), (count, 1), generator=rng)
        start = torch.randint(FRAMES - GROUP + 1, (count, 1), generator=rng)
        pace = (torch.rand(count, 1, generator=rng) >= 0.25).long()
        return to_floats(self.video[episode, start + pace * torch.arange(GROUP)])


def train_vae(settings: VaeSettings, run: Run) -> dict[str, Tensor]:
    """Train; returns the averaged weights with latent statistics."""
    torch.manual_seed(settings.seed)
    vae = channels_last(CausalVAE().to(run.device))
    pool, draws = FramePool(settings.seed, settings.episodes), torch.Generator().manual_seed(settings.seed)
    found = optimizers(vae, 0.0, settings.adam_lr, ("",))
    trainer = run.trainer("vae", vae, found, Budget(settings.minutes), 0.99)

    def losses(_: int) -> dict[str, Tensor]:
        groups = pool.draw(draws, settings.batch).to(run.device)
        with torch.autocast(run.device, torch.bfloat16):
            return vae_losses(vae, groups.contiguous(memory_format=torch.channels_last), settings)

    trainer.train(losses, every=100)
    weights = {name: value.float().cpu() for name, value in trainer.averaged.module.state_dict().items()}
    return weights | statistics(weights, pool.draw(draws, 512))


def vae_losses(vae: CausalVAE, groups: Tensor, settings: VaeSettings) -> dict[str, Tensor]:
    """Losses of groups of frames [N, 12, 64, 64]."""
    weight = pixel_weights(groups, settings)
    mean, logvar = (part.float() for part in vae.posterior(groups))
    out = vae.reconstruct(mean + torch.randn_like(mean) * (0.5 * logvar).exp()).float()
    error = out - groups
    colours = error.unflatten(1, (GROUP, 3)).diff(dim=2).abs()
    chroma = (weight.unflatten(1, (GROUP, 3))[:, :, :2] * colours).mean()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean() / groups[0].numel()
    loss = 4 * (weight * error.square()).mean() + settings.l1 * (weight * error.abs()).mean()
    loss = loss + settings.chroma * chroma + settings.kl * kl + settings.cycle * _cycle(vae, groups, out, weight)
    psnr = -10 * torch.log10(error.detach().clamp(-2, 2).square().mean() / 4)
    return {"loss": loss, "psnr": psnr, "kl": kl.detach()}


def pixel_weights(groups: Tensor, settings: VaeSettings) -> Tensor:
    """Weights [N, 12, 64, 64], 1 for the background: more where a pixel differs from the median colour of its row (an
    object, the gripper, a shadow), and the more the stronger."""
    background = groups.median(dim=3, keepdim=True).values
    off = (groups - background).abs().unflatten(1, (GROUP, 3)).amax(2, keepdim=True)
    weight = 1 + settings.object_weight * (off > 0.06).float() + settings.contrast_weight * off
    return weight.expand(-1, -1, 3, -1, -1).flatten(1, 2)


def _cycle(vae: CausalVAE, groups: Tensor, out: Tensor, weight: Tensor) -> Tensor:
    """What a window's end does: the last decoded frame becomes the next anchor. Weighted error of that anchor decoded
    against the true frame, and of its latent against the true frame's."""
    true = groups[:, -3:].repeat(1, GROUP, 1, 1).contiguous(memory_format=torch.channels_last)
    again = out[:, -3:].clamp(-1, 1).repeat(1, GROUP, 1, 1).contiguous(memory_format=torch.channels_last)
    target, found = vae.posterior(true)[0].detach().float(), vae.posterior(again)[0]
    error = weight[:, -3:].repeat(1, GROUP, 1, 1) * (vae.reconstruct(found).float() - true).square()
    return 4 * error.mean() + 0.2 * (found.float() - target).square().mean()


@torch.no_grad()
def statistics(weights: dict[str, Tensor], groups: Tensor) -> dict[str, Tensor]:
    """Mean and standard deviation of each latent channel under these weights."""
    vae = CausalVAE()
    vae.load_state_dict(weights)
    mean, _ = vae.posterior(groups)
    return {"shift": mean.mean((0, 2, 3)), "scale": mean.std((0, 2, 3))}
