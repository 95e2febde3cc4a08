"""Stage 1: train the VAE on rendered episodes made on the fly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from arc_fabric.models.tabletop.loop import Budget, Run
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.simulator import sample_episode
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE, to_floats


@dataclass(frozen=True)
class VaeSettings:
    """Settings of stage 1 (table `vae` of the config file)."""

    seed: int = 1
    episodes: int = 500
    frames: int = 65
    batch: int = 32
    steps: int = 20_000
    minutes: float = 15.0
    muon_lr: float = 0.02
    adam_lr: float = 2e-3
    kl: float = 6e-4
    l1: float = 0.3
    chroma: float = 1.0
    """Weight of mean absolute errors of the differences between colours: a grey gripper stays grey."""
    cycle: float = 1.0
    """Weight of the cycle: the last frame of a decoded group, encoded again as an anchor, decodes to the true frame."""
    cycle_every: int = 3
    """Steps between those that train the cycle."""
    object_weight: float = 3.0
    """Extra weight of pixels that differ from their row's background."""
    moving: float = 0.4
    """Share of the groups that are the one of three in which most moves."""
    decoder_only: bool = False
    """Keep the encoder, so that the parts that read or write latents need not be trained again."""
    contrast_weight: float = 6.0
    """Extra weight of pixels per unit of that difference (black and white differ by 2): the thin dark fingers."""


class FramePool:
    """Rendered episodes in memory, uint8 [E, F, 64, 64, 3]; `draw` gives groups of four frames."""

    def __init__(self, seed: int, episodes: int, frames: int, note: str = "rendering") -> None:
        rng = np.random.default_rng(seed)
        made = [sample_episode(rng, frames).frames() for _ in track(range(episodes), note)]
        self.video = torch.from_numpy(np.stack(made))

    def draw(self, rng: np.random.Generator, count: int, single: float = 0.25, moving: float = 0.0) -> Tensor:
        """Float [count, 12, 64, 64] in [-1, 1]; a share `single` of the groups is one frame four times, and a share
        `moving` is the one of three groups in which most moves."""
        index = self._moments(rng, count, single)
        for row in np.flatnonzero(rng.random(count) < moving):
            others = self._moments(rng, 3, 0.0)
            first, last = self.video[others[0][:, 0], others[1][:, 0]], self.video[others[0][:, 0], others[1][:, -1]]
            best = int((first.float() - last.float()).abs().mean((1, 2, 3)).argmax())
            for part, other in zip(index, others, strict=True):
                part[row] = other[best]
        return to_floats(self.video[index])

    def _moments(self, rng: np.random.Generator, count: int, single: float) -> tuple[np.ndarray, np.ndarray]:
        """Episodes and frames of random groups, each int [count, 4]."""
        episode = rng.integers(0, self.video.shape[0], count)
        start = rng.integers(0, self.video.shape[1] - GROUP + 1, count)
        pace = (rng.random(count) >= single).astype(int)
        return np.repeat(episode[:, None], GROUP, 1), start[:, None] + np.arange(GROUP)[None] * pace[:, None]


def pixel_weights(groups: Tensor, settings: VaeSettings) -> Tensor:
    """Weights [N, 12, 64, 64], 1 for the background: more where a pixel differs from the median colour of its row (an
    object, the gripper, a shadow), and the more the stronger."""
    background = groups.median(dim=3, keepdim=True).values
    off = (groups - background).abs().unflatten(1, (GROUP, 3)).amax(2, keepdim=True)
    weight = 1 + settings.object_weight * (off > 0.06).float() + settings.contrast_weight * off
    return weight.expand(-1, -1, 3, -1, -1).flatten(1, 2)


def train_vae(
    settings: VaeSettings,
    run: Run,
) -> dict[str, Tensor]:
    """Train; returns the averaged weights with latent statistics."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    vae = CausalVAE().to(device=run.device, memory_format=torch.channels_last)
    vae.encoder.requires_grad_(not settings.decoder_only)
    optimizer = MuonAdam(vae, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr)
    trainer = run.trainer("vae", vae, optimizer, Budget(settings.steps, settings.minutes))
    pool = FramePool(settings.seed, settings.episodes, settings.frames)

    def losses(step: int) -> dict[str, Tensor]:
        groups = pool.draw(rng, settings.batch, moving=settings.moving).to(run.device)
        weight = pixel_weights(groups, settings)
        with torch.autocast(run.device, torch.bfloat16):
            mean, logvar = vae.posterior(groups.contiguous(memory_format=torch.channels_last))
            mean, logvar = mean.float(), logvar.float()
            out = vae.reconstruct(mean + torch.randn_like(mean) * (0.5 * logvar).exp()).float()
        error = out - groups
        mse, l1 = (weight * error.square()).mean(), (weight * error.abs()).mean()
        colours = error.unflatten(1, (GROUP, 3)).diff(dim=2).abs()
        chroma = (weight.unflatten(1, (GROUP, 3))[:, :, :2] * colours).mean()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean() / groups[0].numel()
        psnr = -10 * torch.log10(error.detach().clamp(-2, 2).square().mean() / 4)
        loss = 4 * mse + settings.l1 * l1 + settings.chroma * chroma + settings.kl * kl
        found = {"loss": loss, "psnr": psnr, "kl": kl.detach()}
        if step % settings.cycle_every == 0:
            with torch.autocast(run.device, torch.bfloat16):
                cycle, drift = _cycle(vae, groups, out, weight)
            found["loss"] = found["loss"] + settings.cycle * (4 * cycle + 0.2 * drift)
        return found

    trainer.train(losses, title="vae", every=100)
    weights = {name: value.float().cpu() for name, value in trainer.averaged().items()}
    return weights if settings.decoder_only else _normalised(weights, pool, rng)


def _cycle(vae: CausalVAE, groups: Tensor, out: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What a window's end does: the last decoded frame becomes the next anchor. Weighted mean square error of the
    anchor decoded against the true frame, and of its latent against the true frame's."""
    true = groups[:, -3:].repeat(1, GROUP, 1, 1).contiguous(memory_format=torch.channels_last)
    again = out[:, -3:].clamp(-1, 1).repeat(1, GROUP, 1, 1).contiguous(memory_format=torch.channels_last)
    target, _ = vae.posterior(true)
    found, _ = vae.posterior(again)
    decoded = vae.reconstruct(found).float()
    error = (weight[:, -3:].repeat(1, GROUP, 1, 1) * (decoded - true).square()).mean()
    return error, (found.float() - target.detach().float()).square().mean()


@torch.no_grad()
def _normalised(weights: dict[str, Tensor], pool: FramePool, rng: np.random.Generator) -> dict[str, Tensor]:
    """These weights with latent statistics measured on the pool."""
    vae = CausalVAE()
    vae.load_state_dict(weights)
    mean, _ = vae.posterior(pool.draw(rng, 512))
    return weights | {"shift": mean.mean((0, 2, 3)), "scale": mean.std((0, 2, 3))}
