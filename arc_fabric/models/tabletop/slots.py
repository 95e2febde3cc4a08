"""The slots of a latent frame: what is where in its four frames, as numbers.

A latent frame has `CHANNELS` channels of features, which the VAE codes, and `SLOT_CHANNELS` channels of slots: as in
object-centric latents (Slot Attention, Locatello et al. 2020, arXiv 2006.15055; SlotFormer, Wu et al. 2022, arXiv
2210.05861) every kind of object has numbers of its own. Of real frames the eyes fill them, of imagined frames the
foresight and the actions do: a thing keeps its place while something hides it, or while its features are poor.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.vae import CHANNELS, GROUP

SLOT_CHANNELS = 2
"""Channels of 8x8 numbers; those not needed are zero."""
LATENT_CHANNELS = CHANNELS + SLOT_CHANNELS
MIDDLE, SCALE = (32.0, 46.0, 8.0), (16.0, 8.0, 8.0)
"""A position (x, y, z) in pixels is MIDDLE + SCALE * number."""
SIZES = (GROUP * len(KINDS) * 3, len(KINDS), GROUP * 4, 6)
"""Numbers of places, presence, poses and colours."""


class Slots(NamedTuple):
    """What N latent frames show."""

    things: Tensor
    """[N, 4, kinds, 4]: x, y, z in pixels and presence from 0 to 1 (the same in all four frames)."""
    poses: Tensor
    """The gripper's poses with its true fingers, [N, 4, 4], see `pose.py`."""
    look: Tensor
    """Colours of table and wall, [N, 2, 3] in [-1, 1]."""


class Memory(NamedTuple):
    """What is known of N worlds before they are looked at."""

    things: Tensor
    """Where things are, [N, kinds, 4] (x, y, z, presence)."""
    pose: Tensor
    """The gripper's dead-reckoned pose, [N, 4]."""

    def row(self, row: int) -> Memory:
        """Of one world."""
        return Memory(*(part[row : row + 1] for part in self))


def pack(slots: Slots) -> Tensor:
    """-> channels float [N, SLOT_CHANNELS, 8, 8]."""
    middle, scale = slots.things.new_tensor(MIDDLE), slots.things.new_tensor(SCALE)
    places = (slots.things[..., :3] - middle) / scale
    poses = torch.cat([(slots.poses[..., :3] - middle) / scale, slots.poses[..., 3:]], -1)
    parts = (places, 2 * slots.things[:, -1, :, 3] - 1, poses, slots.look)
    numbers = torch.cat([part.flatten(1) for part in parts], 1)
    return F.pad(numbers, (0, SLOT_CHANNELS * 64 - numbers.shape[1])).unflatten(1, (SLOT_CHANNELS, 8, 8))


def unpack(latents: Tensor) -> Slots:
    """The slots of latent frames [N, LATENT_CHANNELS, 8, 8]."""
    numbers = latents[:, CHANNELS:].flatten(1)[:, : sum(SIZES)]
    places, there, poses, look = numbers.split(SIZES, 1)
    middle, scale = numbers.new_tensor(MIDDLE), numbers.new_tensor(SCALE)
    places = places.unflatten(1, (GROUP, len(KINDS), 3)) * scale + middle
    there = ((there + 1) / 2)[:, None, :, None].expand(-1, GROUP, -1, -1)
    poses = poses.unflatten(1, (GROUP, 4))
    poses = torch.cat([poses[..., :3] * scale + middle, poses[..., 3:]], -1)
    return Slots(torch.cat([places, there], -1), poses, look.unflatten(1, (2, 3)))


def look(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Things [N, kinds, 4] and the gripper's pose [N, 4] at the last moment of latent frames."""
    slots = unpack(latents)
    return slots.things[:, -1], slots.poses[:, -1]
