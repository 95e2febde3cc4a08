"""Latents of simulated episodes: what the transformer is trained on, in shards of files.

One process may go on writing shards while another trains: the training looks for new ones now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from arc_fabric.models.tabletop.net.text import token_ids
from arc_fabric.models.tabletop.net.tokens import ACTIONS, BLOCK
from arc_fabric.models.tabletop.net.vae import GROUP, CausalVAE, to_pixels
from arc_fabric.models.tabletop.train.loop import channels_last
from arc_fabric.models.tabletop.world.episodes import Episode, sample_episode
from arc_fabric.models.tabletop.world.scene import KINDS

BLOCKS = 4
"""Blocks per window, after its anchor."""
AFTER = BLOCKS * BLOCK
"""Latent frames of a window after its anchor."""
HORIZON = BLOCK * ACTIONS
FRAMES = 65
"""Frames per episode: 16 latent frames after the first."""
STARTS = (FRAMES - 1) // GROUP - AFTER + 1
"""Windows per episode: they start at frames 0, 4, ... 32."""
UNIT = torch.tensor([2.0, 2.0, 2.0, 1.0])
"""Pixels (and grip) of a unit action."""


@dataclass
class Windows:
    """A batch of windows."""

    latents: Tensor
    """float [B, 9, C, 8, 8], clean."""
    actions: Tensor
    """float [B, 4, 8, 4]: executed unit actions of each block."""
    intended: Tensor
    """float [B, 4, 8, 4]: what the expert would have done, in the same units."""
    demo: Tensor
    """float [B]: 1 where `intended` may teach the policy."""
    gripper: Tensor
    """float [B, 33, 4]: x, y, z, opening in every frame."""
    things: Tensor
    """float [B, 33, kinds, 4]: x, y, z, presence."""
    held: Tensor
    """int64 [B, 33]: kind in the gripper, or -1."""
    text: Tensor
    """int64 [B, L]."""
    target: Tensor
    """int64 [B]: kind that the prompt asks to move, or -1."""

    def to(self, device: str) -> Windows:
        """The same on a device."""
        return Windows(**{name: value.to(device) for name, value in vars(self).items()})


class Pool:
    """All shards of a folder in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._read = folder, set[str]()
        self._shards: list[dict[str, Tensor]] = []
        self._all: dict[str, Tensor] = {}
        self._odds = torch.zeros(0)
        self.refresh()

    def __len__(self) -> int:
        return len(self._odds) // STARTS

    def refresh(self) -> None:
        """Read shards that are new."""
        found = sorted(p for p in self._folder.glob("*.safetensors") if p.name not in self._read)
        for path in found:
            self._shards.append(load_file(path))
            self._read.add(path.name)
        if found:
            self._all = {k: torch.cat([shard[k] for shard in self._shards]) for k in self._shards[0]}
            self._shards = [dict(self._all)]
            self._all["target"] = torch.tensor([target_of(ids) for ids in self._all["text"].tolist()])
            self._odds = _odds(self._all["things"]).flatten()

    def draw(self, rng: torch.Generator, count: int, text_dropout: float) -> Windows:
        """A random batch."""
        parts = self._all
        chosen = torch.multinomial(self._odds, count, replacement=True, generator=rng)
        episode, start = chosen // STARTS, chosen % STARTS
        first = GROUP * start[:, None]
        again = torch.rand(count, generator=rng) < 0.5
        anchors = torch.where(
            again[:, None, None, None], parts["again"][episode, start], parts["single"][episode, start]
        )
        after = start[:, None] + torch.arange(AFTER)
        frames = first + torch.arange(1 + AFTER * GROUP)
        text = parts["text"][episode].clone()
        silent = torch.rand(count, generator=rng) < text_dropout
        text[silent] = 0
        at = episode[:, None]
        return Windows(
            torch.cat([anchors[:, None], parts["group"][at, after]], 1).float(),
            parts["actions"][at, frames[:, :-1]].unflatten(1, (BLOCKS, HORIZON)),
            parts["intended"][at, frames[:, :-1]].unflatten(1, (BLOCKS, HORIZON)),
            parts["demo"][episode],
            parts["gripper"][at, frames],
            parts["things"][at, frames],
            parts["held"][at, frames],
            text,
            parts["target"][episode].where(~silent, -1),
        )


NOUNS = {"cup": 0, "mug": 0, "block": 1, "cube": 1, "bowl": 3, "dish": 3}
"""Which kind a noun means, by itself."""


def target_of(ids: list[int]) -> int:
    """The kind that the first thing named in a prompt's word ids is of; -1 if none is named."""
    known = {int(token_ids(noun)[0]): kind for noun, kind in NOUNS.items()}
    green = int(token_ids("green")[0])
    for n, word in enumerate(ids):
        if word in known:
            return 2 if n and ids[n - 1] == green else known[word]
    return -1


def _odds(things: Tensor) -> Tensor:
    """How often to draw each window [episodes, STARTS]: more where something moves, most where a thing is behind
    another for a while and comes back."""
    hidden, length = behind(things), AFTER * GROUP
    odds = []
    for start in range(0, STARTS * GROUP, GROUP):
        first, last = things[:, start, :, :3], things[:, start + length, :, :3]
        moved = (last - first).abs().amax((1, 2)) > 1.5
        away = hidden[:, start + 8 : start + 28].sum(1) >= 4
        back = (away & ~hidden[:, start + length] & ~hidden[:, start]).any(1)
        odds.append(torch.where(moved, 1.5, 0.6) * torch.where(back, 3.0, 1.0))
    return torch.stack(odds, 1)


def behind(things: Tensor) -> Tensor:
    """Whether each thing [E, F, kinds, 4] stands right behind another one, bool [E, F, kinds]."""
    x, y, z, there = things.unbind(-1)
    row, kinds = y - z, things.shape[2]
    found = torch.zeros(x.shape, dtype=torch.bool)
    for front in range(kinds):
        near = ((x - x[..., front : front + 1]).abs() < 2) & ((row - row[..., front : front + 1]).abs() < 3)
        found |= near & (y < y[..., front : front + 1]) & (there * there[..., front : front + 1] > 0)
    return found


@torch.inference_mode()
def encode(vae: CausalVAE, episode: Episode) -> dict[str, Tensor]:
    """One episode's latents (float16) and what goes with them."""
    video = torch.from_numpy(episode.frames())
    groups = vae.groups_of(video[None])[0]
    anchors = vae.groups_of(video[: GROUP * STARTS : GROUP, None])[:, 0]
    with torch.autocast("cpu", torch.bfloat16):
        images = torch.cat([groups[1:], anchors]).contiguous(memory_format=torch.channels_last)
        group, single = vae.encode_groups(images).split([len(groups) - 1, STARTS])
        seen = torch.cat([single[:1], group[: STARTS - 1]])
        decoded = to_pixels(vae.decode(seen[:, :, None])[:, 0, -1])
        again = vae.encode_groups(vae.groups_of(decoded[:, None])[:, 0])
    return {
        "group": group.half(),
        "single": single.half(),
        "again": again.half(),
        "actions": torch.from_numpy(episode.actions) / UNIT,
        "intended": torch.from_numpy(episode.labels) / UNIT,
        "demo": torch.tensor(float(episode.demo)),
        "gripper": torch.from_numpy(episode.gripper),
        "things": torch.from_numpy(episode.things()),
        "held": torch.from_numpy(_held_kind(episode)),
        "text": torch.from_numpy(token_ids(episode.prompt)),
    }


def _held_kind(episode: Episode) -> np.ndarray:
    """Index of the held thing in the order of `things()`, int64 [F]; -1 for none."""
    order = np.array([*(KINDS.index(kind) for kind in episode.kinds), -1])
    return order[episode.held.astype(np.int64)]


def write_shard(vae: CausalVAE, folder: Path, seed: int, episodes: int) -> None:
    """Simulate, render and encode episodes into one file; nothing to do where it exists."""
    path = folder / f"{seed:06d}.safetensors"
    if path.exists():
        return
    rng = np.random.default_rng([seed, 77])
    rows = [encode(vae, sample_episode(rng, FRAMES)) for _ in range(episodes)]
    temporary = path.with_suffix(".tmp")
    save_file({k: torch.stack([row[k] for row in rows]).contiguous() for k in rows[0]}, temporary)
    temporary.replace(path)


def frozen_vae(weights: dict[str, Tensor]) -> CausalVAE:
    """A VAE with these weights that is not trained any more."""
    vae = CausalVAE().eval().requires_grad_(False)
    vae.load_state_dict(weights)
    return channels_last(vae)


@dataclass(frozen=True)
class PoolSettings:
    """How many episodes (table `pool` of the config file)."""

    seed: int = 1
    shards: int = 40
    episodes: int = 100
    """Per shard."""


def write_pool(settings: PoolSettings, weights: dict[str, Tensor], folder: Path) -> None:
    """Write all shards that are not there, with these weights of the VAE."""
    folder.mkdir(parents=True, exist_ok=True)
    vae = frozen_vae(weights)
    for n in range(settings.shards):
        write_shard(vae, folder, settings.seed + n, settings.episodes)
        print(f"shard {n + 1} of {settings.shards}", flush=True)
