"""Stage 3: behaviour cloning of the experts from true positions; nothing is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from arc_fabric.models.tabletop.intent import INTENT_ACTIONS, Intent
from arc_fabric.models.tabletop.language import token_ids
from arc_fabric.models.tabletop.loop import Budget, Trainer
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.physics import MAX_STEP
from arc_fabric.models.tabletop.pose import pose_of_state
from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.simulator import Episode, sample_episode

FRAMES = 65


@dataclass(frozen=True)
class IntentSettings:
    """Settings of stage 3 (table `intent` of the config file)."""

    seed: int = 6
    episodes: int = 4000
    batch: int = 512
    steps: int = 100_000
    minutes: float = 4.0
    muon_lr: float = 0.01
    adam_lr: float = 1.5e-3
    text_dropout: float = 0.12
    blur: float = 0.35
    """Noise of positions in pixels, as of what the eyes see."""


class Demonstrations:
    """Tracks, actions and prompts of many episodes."""

    def __init__(self, seed: int, episodes: int) -> None:
        rng = np.random.default_rng(seed)
        made = [sample_episode(rng, FRAMES) for _ in track(range(episodes), "simulating")]
        self.state = torch.from_numpy(np.stack([e.gripper for e in made]))
        self.things = torch.from_numpy(np.stack([_things(e) for e in made]))
        actions = torch.from_numpy(np.stack([e.actions for e in made]))
        self.actions = torch.cat([actions[..., :3] / MAX_STEP, actions[..., 3:]], -1).clamp(-1, 1)
        self.text = torch.from_numpy(np.stack([token_ids(e.prompt) for e in made]))

    def draw(self, rng: np.random.Generator, settings: IntentSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Word ids, things, poses and the next actions [N, 8, 4] at random moments, early ones more often."""
        count = settings.batch
        episode, start = self._moments(rng, count)
        text = self.text[episode].clone()
        text[torch.from_numpy(rng.random(count) < settings.text_dropout)] = 0
        things, pose = self._seen(rng, episode, start, settings)
        return text, things, pose, self.actions[episode[:, None], start[:, None] + torch.arange(INTENT_ACTIONS)]

    def draw_tracks(self, rng: np.random.Generator, settings: IntentSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Things, poses, the next actions [N, 8, 4], and the things after each of them [N, 8, kinds, 4]."""
        episode, start = self._moments(rng, settings.batch)
        things, pose = self._seen(rng, episode, start, settings)
        after = start[:, None] + torch.arange(INTENT_ACTIONS)
        return things, pose, self.actions[episode[:, None], after], self.things[episode[:, None], after + 1]

    def _moments(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        episode = torch.from_numpy(rng.integers(0, len(self.text), count))
        latest = FRAMES - 1 - INTENT_ACTIONS
        return episode, torch.from_numpy((latest * rng.beta(1, 1.5, count)).astype(np.int64))

    def _seen(
        self, rng: np.random.Generator, episode: Tensor, start: Tensor, settings: IntentSettings
    ) -> tuple[Tensor, Tensor]:
        """Things and poses as the eyes would see them."""
        things = self.things[episode, start].clone()
        things[..., :3] += settings.blur * torch.from_numpy(rng.normal(size=things[..., :3].shape)).float()
        pose = pose_of_state(self.state[episode, start])
        pose[:, :3] += 0.2 * torch.from_numpy(rng.normal(size=(len(pose), 3))).float()
        return things, pose


def _things(episode: Episode) -> np.ndarray:
    """float32 [F, kinds, 4]: x, y, z and 1, or zeros for a kind that is absent."""
    out = np.zeros((len(episode.gripper), len(KINDS), 4), np.float32)
    for n, kind in enumerate(episode.kinds):
        out[:, KINDS.index(kind), :3] = episode.bodies[:, n]
        out[:, KINDS.index(kind), 3] = 1
    return out


def train_intent(
    settings: IntentSettings, folder: Path, *, device: str = "cpu", resume: bool = False
) -> dict[str, Tensor]:
    """Train, checkpoint to `folder/intent.safetensors`; returns the averaged weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    intent = Intent().to(device)
    names = ("words", "always", "choose", "leave")
    optimizer = MuonAdam(intent, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=names)
    trainer = Trainer(intent, optimizer, Budget(settings.steps, settings.minutes), folder / "intent.safetensors")
    if resume:
        trainer.resume()
    shown = Demonstrations(settings.seed, settings.episodes)

    def losses(_: int) -> dict[str, Tensor]:
        text, things, pose, actions = (part.to(device) for part in shown.draw(rng, settings))
        error = intent(text, things, pose) - actions
        moved, grip = error[..., :3].square().mean(), error[..., 3].square().mean()
        return {"loss": moved + 0.3 * grip, "moved": moved.detach(), "grip": grip.detach()}

    trainer.train(losses, title="intent", every=250)
    return trainer.averaged()
