"""Training data without pictures: tracks, actions and prompts of simulated episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from arc_fabric.models.tabletop.language import token_ids
from arc_fabric.models.tabletop.pose import pose_of_state, unit_actions
from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.simulator import Episode, sample_episode

FRAMES = 65
HORIZON = 8
"""Actions ahead, as in a block."""
TOUCHED = 0.5
"""Pixels by which a thing moves within a block if something moves it."""


@dataclass(frozen=True)
class TrackSettings:
    """What every stage that learns from tracks can be told."""

    seed: int = 0
    episodes: int = 4000
    batch: int = 256
    steps: int = 100_000
    minutes: float = 4.0
    muon_lr: float = 0.01
    adam_lr: float = 1.5e-3
    blur: float = 0.3
    """Noise of things' positions in pixels, as of what the eyes see."""
    pose_blur: float = 0.2
    """Noise of the gripper's position in pixels."""


def simulated(seed: int, count: int) -> list[Episode]:
    """New episodes of `FRAMES` frames."""
    rng = np.random.default_rng(seed)
    return [sample_episode(rng, FRAMES) for _ in track(range(count), "simulating")]


class Demonstrations:
    """Tracks, actions and prompts of many episodes."""

    def __init__(self, episodes: Sequence[Episode]) -> None:
        self.state = torch.from_numpy(np.stack([e.gripper for e in episodes]))
        self.things = torch.from_numpy(np.stack([things_of(e) for e in episodes]))
        self.actions = unit_actions(torch.from_numpy(np.stack([e.actions for e in episodes])))
        self.text = torch.from_numpy(np.stack([token_ids(e.prompt) for e in episodes]))
        moved = (self.things[:, HORIZON:-1] - self.things[:, : -HORIZON - 1])[..., :3].abs().amax(-1) > TOUCHED
        self._contacts = (moved.sum(-1) > 1).nonzero()
        """Episodes and moments, [N, 2]."""

    def draw(
        self, rng: np.random.Generator, settings: TrackSettings, text_dropout: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Word ids, things, poses and the next actions [N, 8, 4] at random moments, early ones more often."""
        count = settings.batch
        episode, start = self._moments(rng, count)
        text = self.text[episode].clone()
        text[torch.from_numpy(rng.random(count) < text_dropout)] = 0
        things, pose = self._seen(rng, episode, start, settings)
        return text, things, pose, self.actions[episode[:, None], start[:, None] + torch.arange(HORIZON)]

    def draw_tracks(
        self, rng: np.random.Generator, settings: TrackSettings, contacts: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Things, poses, the next actions [N, 8, 4], and the things after each of them [N, 8, kinds, 4]; of the moments
        this share is of those in which two things or more will move: one pushes the other."""
        episode, start = self._moments(rng, settings.batch)
        if len(self._contacts):
            some = torch.from_numpy(rng.integers(0, len(self._contacts), int(contacts * settings.batch)))
            episode[: len(some)], start[: len(some)] = self._contacts[some].unbind(1)
        things, pose = self._seen(rng, episode, start, settings)
        after = start[:, None] + torch.arange(HORIZON)
        return things, pose, self.actions[episode[:, None], after], self.things[episode[:, None], after + 1]

    def _moments(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        episode = torch.from_numpy(rng.integers(0, len(self.text), count))
        latest = FRAMES - 1 - HORIZON
        return episode, torch.from_numpy((latest * rng.beta(1, 1.5, count)).astype(np.int64))

    def _seen(
        self, rng: np.random.Generator, episode: Tensor, start: Tensor, settings: TrackSettings
    ) -> tuple[Tensor, Tensor]:
        """Things and poses as the eyes would see them."""
        pose = pose_of_state(self.state[episode, start])
        return blurred(rng, self.things[episode, start], pose, settings)


def blurred(rng: np.random.Generator, things: Tensor, pose: Tensor, settings: TrackSettings) -> tuple[Tensor, Tensor]:
    """Things [N, kinds, 4] and poses [N, 4] with the settings' noise, in new tensors."""
    things, pose = things.clone(), pose.clone()
    things[..., :3] += settings.blur * torch.from_numpy(rng.normal(size=things[..., :3].shape)).float()
    pose[:, :3] += settings.pose_blur * torch.from_numpy(rng.normal(size=(len(pose), 3))).float()
    return things, pose


def things_of(episode: Episode) -> np.ndarray:
    """float32 [F, kinds, 4]: x, y, z and 1, or zeros for a kind that is absent."""
    out = np.zeros((len(episode.gripper), len(KINDS), 4), np.float32)
    for n, kind in enumerate(episode.kinds):
        out[:, KINDS.index(kind), :3] = episode.bodies[:, n]
        out[:, KINDS.index(kind), 3] = 1
    return out
