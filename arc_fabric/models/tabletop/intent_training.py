"""Stage 4: imitation of the experts from true positions; nothing is rendered.

Half of the moments come from the experts' own episodes, half from episodes in which the intent acted and the expert
was asked at every block what it would have done (DAgger, Ross et al. 2011, arXiv 1011.0686), so that the intent also
knows what to do after its own small mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.tabletop import physics
from arc_fabric.models.tabletop.demonstrations import (
    HORIZON,
    Demonstrations,
    TrackSettings,
    blurred,
    simulated,
    things_of,
)
from arc_fabric.models.tabletop.experts import Task
from arc_fabric.models.tabletop.intent import Intent
from arc_fabric.models.tabletop.language import phrase, sample_task, token_ids
from arc_fabric.models.tabletop.loop import Budget, Run
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.pose import pose_of_state, unit_actions
from arc_fabric.models.tabletop.scene import Scene, sample_scene
from arc_fabric.models.tabletop.simulator import copy_scene, record, roll

BLOCKS = 8
"""Blocks that the intent acts for in one episode of its own."""


@dataclass(frozen=True)
class IntentSettings(TrackSettings):
    """Settings of stage 4 (table `intent` of the config file)."""

    seed: int = 6
    batch: int = 512
    minutes: float = 6.0
    blur: float = 0.35
    text_dropout: float = 0.12
    own_every: int = 100
    """Steps between the intent's own episodes."""
    own_scenes: int = 48
    """Scenes it acts in each time."""
    own_kept: int = 40_000
    """Moments of its own kept at most."""


class Corrections:
    """Moments that the intent came to by itself, and what the expert does from there."""

    def __init__(self, seed: int, settings: IntentSettings) -> None:
        self._rng, self._settings = np.random.default_rng(seed), settings
        self._parts: list[tuple[Tensor, ...]] = []
        self._joined: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self._joined[0]) if self._joined else 0

    @torch.no_grad()
    def gather(self, intent: Intent) -> None:
        """Let the intent act in new scenes and ask the experts."""
        rng, count = self._rng, self._settings.own_scenes
        scenes = [sample_scene(rng) for _ in range(count)]
        tasks = [sample_task(rng, scene) for scene in scenes]
        text = torch.from_numpy(np.stack([token_ids(phrase(task, rng)) for task in tasks]))
        for _ in range(BLOCKS):
            things, pose, actions = _ask(scenes, tasks)
            self._parts.append((text, things, pose, actions))
            device = next(intent.parameters()).device
            seen = blurred(rng, things, pose, self._settings)
            meant = intent(text.to(device), *(part.to(device) for part in seen)).clamp(-1, 1).cpu().numpy()
            scenes = [_acted(scene, moves) for scene, moves in zip(scenes, meant, strict=True)]
        self._parts = self._parts[-max(1, self._settings.own_kept // count) :]
        self._joined = tuple(torch.cat(column) for column in zip(*self._parts, strict=True))

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Word ids, things and poses as the eyes would see them, and the expert's next actions [N, 8, 4]."""
        row = torch.from_numpy(rng.integers(0, len(self), count))
        text, things, pose, actions = (column[row] for column in self._joined)
        return text, *blurred(rng, things, pose, self._settings), actions


def _ask(scenes: list[Scene], tasks: list[Task]) -> tuple[Tensor, Tensor, Tensor]:
    """Things, poses, and the experts' next unit actions in these scenes."""
    told = [record(scene, task, HORIZON + 1) for scene, task in zip(scenes, tasks, strict=True)]
    things = torch.from_numpy(np.stack([things_of(episode)[0] for episode in told]))
    state = torch.from_numpy(np.stack([episode.gripper[0] for episode in told]))
    return things, pose_of_state(state), unit_actions(torch.from_numpy(np.stack([episode.actions for episode in told])))


def _acted(scene: Scene, moves: np.ndarray) -> Scene:
    """The scene after unit actions [8, 4]."""
    queue = iter(moves * np.array([physics.MAX_STEP] * 3 + [1.0]))
    return roll(copy_scene(scene), lambda _: next(queue), len(moves) + 1).last


def train_intent(
    settings: IntentSettings,
    run: Run,
) -> dict[str, Tensor]:
    """Train; returns the averaged weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    intent = Intent().to(run.device)
    names = ("words", "choose", "leave")
    optimizer = MuonAdam(intent, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=names)
    trainer = run.trainer("intent", intent, optimizer, Budget(settings.steps, settings.minutes))
    shown, own = Demonstrations(simulated(settings.seed, settings.episodes)), Corrections(settings.seed + 2, settings)

    def losses(step: int) -> dict[str, Tensor]:
        if not len(own) or step % settings.own_every == 0:
            own.gather(intent)
        rows = shown.draw(rng, settings, settings.text_dropout), own.draw(rng, settings.batch)
        text, things, pose, actions = (torch.cat(pair).to(run.device) for pair in zip(*rows, strict=True))
        error = intent(text, things, pose) - actions
        moved, grip = error[..., :3].square().mean(), error[..., 3].square().mean()
        return {"loss": moved + 0.3 * grip, "moved": moved.detach(), "grip": grip.detach()}

    trainer.train(losses, title="intent", every=250)
    return trainer.averaged()
