"""Stage 3: train the eyes on encoded frames whose true positions are known. Frames are rendered from simulated tracks
all the time, each moved to another place of the table and in another light, so that none is seen often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.demonstrations import FRAMES, Demonstrations
from arc_fabric.models.tabletop.eyes import Eyes, Things
from arc_fabric.models.tabletop.loop import Budget, Trainer
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.pose import pose_of_state
from arc_fabric.models.tabletop.render import render
from arc_fabric.models.tabletop.scene import BODY_HIGH, BODY_LOW, GRIPPER_HIGH, GRIPPER_LOW, KINDS, sample_look
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE


@dataclass(frozen=True)
class EyesSettings:
    """Settings of stage 3 (table `eyes` of the config file)."""

    seed: int = 4
    episodes: int = 4000
    """Simulated episodes whose tracks are rendered."""
    fresh: int = 48
    """Frames rendered per step."""
    kept: int = 16_384
    """Frames kept, from which batches are drawn."""
    batch: int = 192
    steps: int = 100_000
    minutes: float = 12.0
    muon_lr: float = 0.01
    adam_lr: float = 1.5e-3
    noise: float = 0.2
    """Largest noise added to the latents, as in the history of the transformer."""


class Sights:
    """Latent frames and what is to be seen in them."""

    def __init__(self, vae: CausalVAE, settings: EyesSettings) -> None:
        self._vae, self._kept = vae, settings.kept
        self._rng = np.random.default_rng(settings.seed + 3)
        self._tracks = Demonstrations(settings.seed, settings.episodes)
        self._latents = torch.zeros(self._kept, vae.channels, 8, 8)
        self._things, self._pose = torch.zeros(self._kept, len(KINDS), 4), torch.zeros(self._kept, 4)
        self._made = 0

    @torch.inference_mode()
    def grow(self, count: int) -> None:
        """Render and encode new frames: groups of four, anchors (a third), and anchors of decoded frames (half of
        those)."""
        made = [self._moment(single=n % 3 == 0) for n in range(count)]
        frames = torch.from_numpy(np.stack([m[0] for m in made]))
        with torch.autocast("cpu", torch.bfloat16):
            latents = self._encode(frames)
            again = self._vae.decode(latents[::6, :, None])[:, 0, -1:].expand(-1, GROUP, -1, -1, -1)
            pixels = ((again.permute(0, 1, 3, 4, 2).float() + 1) * 127.5).round().clamp(0, 255).byte()
            latents[::6] = self._encode(pixels)
        at = torch.arange(self._made, self._made + count) % self._kept
        self._latents[at] = latents
        self._things[at] = torch.from_numpy(np.stack([m[1] for m in made]))
        self._pose[at] = pose_of_state(torch.from_numpy(np.stack([m[2] for m in made])))
        self._made += count

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latent frames [N, C, 8, 8], true things [N, kinds, 4] and poses [N, 4]."""
        row = torch.from_numpy(rng.integers(0, min(self._made, self._kept), count))
        return self._latents[row], self._things[row], self._pose[row]

    def _encode(self, frames: Tensor) -> Tensor:
        """uint8 [N, 4, 64, 64, 3] -> [N, C, 8, 8]."""
        groups = frames.permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 127.5 - 1.0
        mean, _ = self._vae.posterior(groups)
        return (mean.float() - self._vae.shift[:, None, None]) / self._vae.scale[:, None, None]

    def _moment(self, single: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Four frames uint8 [4, 64, 64, 3] (all equal if `single`), things [kinds, 4] and state [4] at the last."""
        rng = self._rng
        episode, last = int(rng.integers(len(self._tracks.state))), int(rng.integers(GROUP - 1, FRAMES))
        when = [last] * GROUP if single else list(range(last - GROUP + 1, last + 1))
        things, state = self._tracks.things[episode, when].numpy(), self._tracks.state[episode, when].numpy()
        there = things[-1, :, 3] > 0
        shift = _room(rng, things[:, there], state)
        things, state = things + np.array([*shift, 0, 0]) * things[..., 3:], state + np.array([*shift, 0, 0])
        kinds = [kind for kind, present in zip(KINDS, there, strict=True) if present]
        frames = render(kinds, sample_look(rng), state.astype(np.float32), things[:, there, :3].astype(np.float32))
        return frames, things[-1].astype(np.float32), state[-1].astype(np.float32)


def _room(rng: np.random.Generator, things: np.ndarray, state: np.ndarray) -> tuple[float, float]:
    """A shift (x, y) in pixels by which everything stays on the table."""
    shift = []
    for axis, reach in ((0, 8.0), (1, 4.0)):
        low = max(-reach, BODY_LOW[axis] - things[..., axis].min(), GRIPPER_LOW[axis] - state[:, axis].min())
        high = min(reach, BODY_HIGH[axis] - things[..., axis].max(), GRIPPER_HIGH[axis] - state[:, axis].max())
        shift.append(rng.uniform(min(low, 0.0), max(high, 0.0)))
    return shift[0], shift[1]


def train_eyes(
    settings: EyesSettings,
    vae_weights: dict[str, Tensor],
    folder: Path,
    *,
    start: dict[str, Tensor] | None = None,
    device: str = "cpu",
    resume: bool = False,
) -> dict[str, Tensor]:
    """Train (from the weights `start`, if given), checkpoint to `folder/eyes.safetensors`; returns the averaged
    weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    vae = CausalVAE().eval()
    vae.load_state_dict(vae_weights)
    eyes = Eyes(vae.channels).to(device)
    if start:
        eyes.load_state_dict(start)
    optimizer = MuonAdam(eyes, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=("outer", "where"))
    trainer = Trainer(eyes, optimizer, Budget(settings.steps, settings.minutes), folder / "eyes.safetensors")
    if resume:
        trainer.resume()
    sights = Sights(vae, settings)
    sights.grow(8 * settings.fresh)

    def losses(_: int) -> dict[str, Tensor]:
        sights.grow(settings.fresh)
        latents, things, pose = (part.to(device) for part in sights.draw(rng, settings.batch))
        level = settings.noise * torch.rand(len(latents), 1, 1, 1, device=device)
        with torch.autocast(device, torch.bfloat16):
            seen = eyes(latents + level * torch.randn_like(latents))
        return _losses(seen, things, pose)

    trainer.train(losses, title="eyes", every=100)
    return trainer.averaged()


def _losses(seen: Things, things: Tensor, pose: Tensor) -> dict[str, Tensor]:
    """True things [N, kinds, 4] and poses [N, 4]."""
    there = things[..., 3]
    gripper = (seen.pose[:, :3] - pose[:, :3]).abs().mean()
    closed = (seen.pose[:, 3] - pose[:, 3]).abs().mean()
    error = (seen.places - things[..., :3]).abs().mean(-1)
    objects = (error * there).sum() / there.sum()
    presence = F.binary_cross_entropy_with_logits(seen.there, there)
    loss = gripper + objects + closed + presence
    found = {"gripper_px": gripper, "object_px": objects, "closed": closed, "presence": presence}
    return {"loss": loss, **{name: value.detach() for name, value in found.items()}}
