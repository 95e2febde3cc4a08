"""Stage 3: train the eyes on encoded frames of which everything is known. Frames are rendered from simulated tracks
all the time, each moved to another place of the table and in another light, so that none is seen often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.demonstrations import FRAMES, Demonstrations, simulated
from arc_fabric.models.tabletop.eyes import Eyes, Sight
from arc_fabric.models.tabletop.loop import Budget, Run
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.pose import pose_of_state
from arc_fabric.models.tabletop.render import render
from arc_fabric.models.tabletop.scene import BODY_HIGH, BODY_LOW, GRIPPER_HIGH, GRIPPER_LOW, KINDS, sample_look
from arc_fabric.models.tabletop.slots import Slots
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE, to_floats, to_pixels


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
    batch: int = 128
    steps: int = 100_000
    minutes: float = 12.0
    muon_lr: float = 0.01
    adam_lr: float = 1.5e-3
    hidden: float = 0.4
    """Share of the groups in which something is behind something else more than elsewhere."""
    noise: float = 0.2
    """Largest noise added to the latents, as in the history of the transformer."""


class Renderings:
    """New pictures of simulated tracks: never the same twice."""

    def __init__(self, seed: int, episodes: int, hidden: float) -> None:
        """A share `hidden` of the groups is the one of five in which something is hidden most."""
        self._rng, self._hidden = np.random.default_rng(seed + 3), hidden
        self._tracks = Demonstrations(simulated(seed, episodes))

    def make(self, count: int) -> tuple[Tensor, Slots]:
        """Groups uint8 [N, 4, 64, 64, 3], every third of one frame four times (an anchor), and what they show."""
        made = [self._group(single=n % 3 == 0) for n in range(count)]
        frames, things, state, look = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
        return frames, Slots(things, pose_of_state(state), look / 127.5 - 1)

    def _group(self, single: bool) -> tuple[np.ndarray, ...]:
        rng = self._rng
        several = 5 if rng.random() < self._hidden else 1
        episodes, lasts = rng.integers(len(self._tracks.state), size=several), rng.integers(GROUP - 1, FRAMES, several)
        episode, last = max(zip(episodes.tolist(), lasts.tolist(), strict=True), key=self._overlap)
        when = [last] * GROUP if single else list(range(last - GROUP + 1, last + 1))
        things, state = self._tracks.things[episode, when].numpy(), self._tracks.state[episode, when].numpy()
        there = things[-1, :, 3] > 0
        shift = _room(rng, things[:, there], state)
        things, state = things + np.array([*shift, 0, 0]) * things[..., 3:], state + np.array([*shift, 0, 0])
        kinds = [kind for kind, present in zip(KINDS, there, strict=True) if present]
        things, state, look = things.astype(np.float32), state.astype(np.float32), sample_look(rng)
        frames = render(kinds, look, state, things[:, there, :3])
        return frames, things, state, np.array([look.table, look.wall], np.float32)

    def _overlap(self, moment: tuple[int, int]) -> float:
        """Pixels in which something is behind something else, roughly: the largest overlap of two boxes of 8x8."""
        things, state = self._tracks.things[moment].numpy(), self._tracks.state[moment].numpy()
        places = np.concatenate([things[things[:, 3] > 0, :3], state[None, :3]])
        column, row = places[:, 0], places[:, 1] - places[:, 2]
        apart = np.abs(column[:, None] - column), np.abs(row[:, None] - row)
        shared = np.clip(8 - apart[0], 0, None) * np.clip(8 - apart[1], 0, None)
        return float(np.triu(shared, 1).max())


class Sights:
    """Latent frames and what is to be seen in them."""

    def __init__(self, vae: CausalVAE, settings: EyesSettings) -> None:
        self._vae, self._kept, self._made = vae, settings.kept, 0
        self._renderings = Renderings(settings.seed, settings.episodes, settings.hidden)
        self._parts: tuple[Tensor, ...] = ()

    @torch.inference_mode()
    def grow(self, count: int) -> None:
        """Render and encode new groups; half of the anchors are of decoded frames."""
        frames, seen = self._renderings.make(count)
        latents = self._vae.encode_groups(to_floats(frames))
        again = to_pixels(self._vae.decode(latents[::6, :, None])[:, 0, -1])
        latents[::6] = self._vae.encode(again[:, None])[:, :, 0]
        if not self._parts:
            self._parts = tuple(part.new_zeros(self._kept, *part.shape[1:]) for part in (latents, *seen))
        at = torch.arange(self._made, self._made + count) % self._kept
        for kept, new in zip(self._parts, (latents, *seen), strict=True):
            kept[at] = new
        self._made += count

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Slots]:
        """Latent frames [N, C, 8, 8] and what they show."""
        row = torch.from_numpy(rng.integers(0, min(self._made, self._kept), count))
        latents, *seen = (part[row] for part in self._parts)
        return latents, Slots(*seen)


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
    run: Run,
) -> dict[str, Tensor]:
    """Train; returns the averaged weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    vae = CausalVAE().eval()
    vae.load_state_dict(vae_weights)
    eyes = Eyes(vae.channels).to(run.device)
    optimizer = MuonAdam(eyes, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=("outer", "where"))
    trainer = run.trainer("eyes", eyes, optimizer, Budget(settings.steps, settings.minutes))
    sights = Sights(vae, settings)
    sights.grow(8 * settings.fresh)

    def losses(_: int) -> dict[str, Tensor]:
        sights.grow(settings.fresh)
        latents, true = sights.draw(rng, settings.batch)
        latents, true = latents.to(run.device), Slots(*(part.to(run.device) for part in true))
        level = settings.noise * torch.rand(len(latents), 1, 1, 1, device=run.device)
        seen = eyes(latents + level * torch.randn_like(latents))
        return _losses(seen, true)

    trainer.train(losses, title="eyes", every=100)
    return trainer.averaged()


def _losses(seen: Sight, true: Slots) -> dict[str, Tensor]:
    there = true.things[..., 3]
    gripper = (seen.poses[..., :3] - true.poses[..., :3]).abs().mean()
    closed = (seen.poses[..., 3] - true.poses[..., 3]).abs().mean()
    error = (seen.places - true.things[..., :3]).abs().mean(-1)
    objects = (error * there).sum() / there.sum()
    presence = F.binary_cross_entropy_with_logits(seen.there, there[:, -1])
    look = (seen.look - true.look).abs().mean()
    loss = gripper + objects + closed + presence + 10 * look
    found = {"gripper_px": gripper, "object_px": objects, "closed": closed, "presence": presence, "look": look}
    return {"loss": loss, **{name: value.detach() for name, value in found.items()}}
