"""Training data of the transformer: windows of latents, states, actions and prompts, encoded from new episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.demonstrations import FRAMES
from arc_fabric.models.tabletop.language import token_ids
from arc_fabric.models.tabletop.pose import integrate, pose_of_state, unit_actions
from arc_fabric.models.tabletop.simulator import Episode, sample_episode
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE, to_pixels

WINDOW = 9
"""Latent frames per window, the anchor included."""
STARTS = 9
"""Windows per episode: they start at frames 0, 4, ... 32."""


@dataclass
class Windows:
    """A batch of windows."""

    latents: Tensor
    """float [B, 9, C, 8, 8], clean."""
    base: Tensor
    """float [B, 4, 4]: the (slightly wrong) pose that each block starts from."""
    actions: Tensor
    """float [B, 4, 8, 4]: clean unit actions of each block."""
    poses: Tensor
    """float [B, 9, 4, 4]: clean poses of every latent's four frames."""
    text: Tensor
    """int64 [B, L]."""


class LatentPool:
    """Windows of episodes, kept as latents in memory. It starts small and grows while training runs; when it is full
    a new episode takes the oldest one's place."""

    def __init__(self, codec: Codec, seed: int, capacity: int) -> None:
        self._codec = codec
        self._rng, self._capacity = np.random.default_rng(seed), capacity
        self._parts: dict[str, Tensor] = {}
        self.made = 0

    def __len__(self) -> int:
        return min(self.made, self._capacity)

    def grow(self, episodes: int, note: str = "") -> None:
        """Simulate, render and encode new episodes."""
        for _ in track(range(episodes), note) if note else range(episodes):
            row = _encode(self._codec, sample_episode(self._rng, FRAMES))
            if not self._parts:
                self._parts = {k: torch.zeros(self._capacity, *v.shape, dtype=v.dtype) for k, v in row.items()}
            for key, value in row.items():
                self._parts[key][self.made % self._capacity] = value
            self.made += 1

    def draw(self, rng: np.random.Generator, count: int, text_dropout: float) -> Windows:
        """A random batch; early windows, where most happens, are drawn more often."""
        parts = self._parts
        episode = torch.from_numpy(rng.integers(0, len(self), count))
        weights = np.linspace(1.6, 0.7, STARTS)
        start = torch.from_numpy(rng.choice(STARTS, count, p=weights / weights.sum()))
        after = start[:, None] + torch.arange(WINDOW - 1)
        anchors = torch.where(
            torch.from_numpy(rng.random(count) < 0.5)[:, None, None, None],
            parts["single"][episode, start],
            parts["cycled"][episode, start],
        )
        latents = torch.cat([anchors[:, None], parts["group"][episode[:, None], after]], 1).float()
        when = GROUP * start[:, None] + torch.arange(4 * GROUP * 2)
        actions = parts["actions"][episode[:, None], when].unflatten(1, (4, 8))
        state = parts["state"][episode[:, None], GROUP * start[:, None] + 8 * torch.arange(4)]
        base, poses = _dead_reckon(rng, state, actions)
        text = parts["text"][episode].clone()
        text[torch.from_numpy(rng.random(count) < text_dropout)] = 0
        return Windows(latents, base, actions, poses, text)


def _dead_reckon(rng: np.random.Generator, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Base poses [B, 4, 4] and clean poses [B, 9, 4, 4] from states at block starts [B, 4, 4] and unit actions
    [B, 4, 8, 4]: reckoned from the anchor on, or (half of the rows) read from the state anew at every block, as the
    fingers are always."""
    count = len(state)

    def jitter(size: float) -> Tensor:
        noise = rng.normal(0, size, (count, 4)) * [1, 1, 1, 0.2]
        return torch.from_numpy(noise).float()

    read_anew = torch.from_numpy(rng.random(count) < 0.5)[:, None]
    here = pose_of_state(state[:, 0]) + jitter(0.25)
    bases, tracks = [], [here[:, None, None].expand(-1, 1, GROUP, -1)]
    for block in range(4):
        if block:
            true = pose_of_state(state[:, block]) + jitter(0.15)
            here = torch.cat([torch.where(read_anew, true, here)[:, :3], true[:, 3:]], 1)
        track = integrate(here, actions[:, block])
        bases.append(here)
        tracks.append(track.unflatten(1, (2, GROUP)))
        here = track[:, -1]
    return torch.stack(bases, 1), torch.cat(tracks, 1)


@torch.inference_mode()
def _encode(codec: Codec, episode: Episode) -> dict[str, Tensor]:
    """One episode's latents (float16) and what goes with them."""
    video, vae = torch.from_numpy(episode.frames()), codec.vae
    with torch.autocast("cpu", torch.bfloat16):
        latents = _latents(vae, video[None])[0]
        group = latents[1:]
        single = _latents(vae, video[: GROUP * STARTS : GROUP, None])[:, 0]
        seen = torch.cat([single[:1], group[: STARTS - 1]])
        again = to_pixels(codec.decode(codec.seen(seen)[:, :, None])[:, 0, -1])
        cycled = _latents(vae, again[:, None])[:, 0]
    return {
        "single": single.half(),
        "cycled": cycled.half(),
        "group": group.half(),
        "actions": unit_actions(torch.from_numpy(episode.actions)),
        "state": torch.from_numpy(episode.gripper),
        "text": torch.from_numpy(token_ids(episode.prompt)),
    }


def _latents(vae: CausalVAE, video: Tensor) -> Tensor:
    """uint8 [B, 1 + 4 n, 64, 64, 3] -> [B, 1 + n, C, 8, 8]."""
    return vae.encode(video).transpose(1, 2).float()
