"""Stage 2: learn the sprites from rendered frames whose true positions are known, and the fingers from tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from arc_fabric.models.tabletop.demonstrations import FRAMES, HORIZON, Demonstrations, simulated
from arc_fabric.models.tabletop.loop import Budget, Run
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.pose import integrate, pose_of_state
from arc_fabric.models.tabletop.render import render
from arc_fabric.models.tabletop.simulator import Episode
from arc_fabric.models.tabletop.sprites import Sprites

EVERYTHING = ("bodies", "arm", "hub", "shadows", "fingers", "rows")


@dataclass(frozen=True)
class SpritesSettings:
    """Settings of stage 2 (table `sprites` of the config file)."""

    seed: int = 8
    episodes: int = 400
    batch: int = 24
    steps: int = 100_000
    minutes: float = 4.0
    adam_lr: float = 0.03
    blur: float = 0.3
    """Noise in pixels of the positions shown to the fingers."""


class Pictures(Demonstrations):
    """Demonstrations with frames. In those the fingers are anywhere between open and closed, one frame of two: experts
    stop them at a few openings only, and what is between must be drawn as well."""

    def __init__(self, episodes: Sequence[Episode], seed: int) -> None:
        super().__init__(episodes)
        rng = np.random.default_rng(seed)
        opening = rng.random((len(episodes), FRAMES), np.float32)
        shown = np.where(rng.random(opening.shape) < 0.5, opening, self.state[..., 3])
        self.shown = torch.cat([self.state[..., :3], torch.from_numpy(shown)[..., None]], -1)
        parts = zip(track(episodes, "rendering"), self.shown.numpy(), strict=True)
        self.frames = torch.from_numpy(np.stack([render(e.kinds, e.look, state, e.bodies) for e, state in parts]))
        look = np.array([[e.look.table, e.look.wall] for e in episodes], np.float32)
        self.look = torch.from_numpy(look / 127.5 - 1)

    def draw_frames(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frames [N, 3, 64, 64] and colours of table and wall [N, 2, 3] in [-1, 1], things [N, kinds, 4], poses
        [N, 4] at random moments."""
        episode = torch.from_numpy(rng.integers(0, len(self.frames), count))
        frame = torch.from_numpy(rng.integers(0, FRAMES, count))
        pixels = self.frames[episode, frame].permute(0, 3, 1, 2).float() / 127.5 - 1
        return pixels, self.look[episode], self.things[episode, frame], pose_of_state(self.shown[episode, frame])

    def draw_grips(self, rng: np.random.Generator, count: int, blur: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the fingers were told [N, 1] since up to 8 frames ago, things [N, kinds, 4] and poses [N, 4] about
        them, slightly wrong, and how far they are closed [N, 1]."""
        episode = torch.from_numpy(rng.integers(0, len(self.frames), count))
        start = torch.from_numpy(rng.integers(0, FRAMES - HORIZON, count))
        after = torch.from_numpy(rng.integers(0, HORIZON, count))
        actions = self.actions[episode[:, None], start[:, None] + torch.arange(HORIZON)]
        told = integrate(pose_of_state(self.state[episode, start]), actions)[torch.arange(count), after, 3:]
        now = start + 1 + after
        things, pose = self.things[episode, now].clone(), pose_of_state(self.state[episode, now])
        things[..., :3] += blur * torch.from_numpy(rng.normal(size=things[..., :3].shape)).float()
        return told, things, pose, pose[:, 3:].clone()


def train_sprites(
    settings: SpritesSettings,
    run: Run,
) -> dict[str, Tensor]:
    """Train; returns the averaged weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    sprites = Sprites().to(run.device)
    optimizer = MuonAdam(sprites, muon_lr=0.0, adam_lr=settings.adam_lr, adam_names=EVERYTHING)
    trainer = run.trainer("sprites", sprites, optimizer, Budget(settings.steps, settings.minutes))
    shown = Pictures(simulated(settings.seed, settings.episodes), settings.seed)

    def losses(_: int) -> dict[str, Tensor]:
        frames, look, things, pose = (part.to(run.device) for part in shown.draw_frames(rng, settings.batch))
        drawn = sprites.draw(sprites.backdrop(look), things, pose)
        error = (drawn - frames).square().mean()
        told, things, pose, closed = (
            p.to(run.device) for p in shown.draw_grips(rng, 4 * settings.batch, settings.blur)
        )
        grip = (sprites.fingers(told, things, pose) - closed).abs().mean()
        psnr = -10 * (error.detach() / 4).log10()
        return {"loss": 64 * error + 0.02 * grip, "psnr": psnr, "grip": grip.detach()}

    trainer.train(losses, title="sprites", every=50)
    return trainer.averaged()
