"""Gripper poses: dead reckoning from actions, and how a pose is shown to the transformer.

A *pose* is float [..., 4]: x, y, z in pixels and how far the fingers are closed in [-1, 1] (-1 open, 1 closed). *Unit
actions* are float [..., 4] in [-1, 1]: dx, dy, dz over `MAX_STEP`, and grip (above 0 closes). Poses follow exactly
what the simulator does to a gripper that touches nothing: add, then clip to the workspace.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arc_fabric.models.tabletop.physics import GRIP_SPEED, MAX_STEP
from arc_fabric.models.tabletop.scene import GRIPPER_HIGH, GRIPPER_LOW, SIZE

OCTAVES = (1.0, 2.0, 4.0, 8.0)
"""Frequencies, in cycles per two image widths, at which offsets are shown."""
GRID = 4
"""Tokens per side of a latent frame."""
POSE_FEATURES = 3 * 2 * len(OCTAVES) + 1
"""Features per token and frame: waves of the offsets in column, row and shadow row, and how closed it is."""
THING_FEATURES = 2 * 2 * len(OCTAVES) + 2
"""Features per token and kind of object: waves of its offsets in column and row, its height and presence."""
REACH_FEATURES = 8
"""Features of an action token per kind: offsets from the gripper, coarse and fine, height and presence."""


def pose_of_state(state: Tensor) -> Tensor:
    """Proprioceptive state [..., 4] (x, y, z, opening in [0, 1]) -> pose."""
    return torch.cat([state[..., :3], 1 - 2 * state[..., 3:]], -1)


def unit_actions(actions: Tensor) -> Tensor:
    """Actions in pixels per frame and grip [..., 4] -> unit actions in [-1, 1]."""
    return torch.cat([actions[..., :3] / MAX_STEP, actions[..., 3:]], -1).float().clamp(-1, 1)


def integrate(start: Tensor, actions: Tensor) -> Tensor:
    """Poses after each action: start [..., 4], unit actions [..., N, 4] -> [..., N, 4]."""
    low, high = start.new_tensor(GRIPPER_LOW), start.new_tensor(GRIPPER_HIGH)
    here, closed, track = start[..., :3], start[..., 3:], []
    closing = torch.where(actions[..., 3:] > 0, 2 * GRIP_SPEED, -2 * GRIP_SPEED)
    for n in range(actions.shape[-2]):
        here = torch.clamp(here + MAX_STEP * actions[..., n, :3], low, high)
        closed = torch.clamp(closed + closing[..., n, :], -1.0, 1.0)
        track.append(torch.cat([here, closed], -1))
    return torch.stack(track, -2)


def shrink(noisy: Tensor, t: Tensor) -> Tensor:
    """The expected clean unit action given its noisy version (1 - t) a + t e, for unit variances."""
    return noisy * ((1 - t) / ((1 - t).square() + t.square()))


def _waves(offset: Tensor) -> Tensor:
    """Sines and cosines of pixel offsets: [...] -> [..., 2 * octaves]."""
    scale = torch.tensor(OCTAVES, device=offset.device) * (math.pi / SIZE)
    phase = offset[..., None] * scale
    return torch.cat([phase.sin(), phase.cos()], -1)


def _features(column: Tensor, row: Tensor, ground: Tensor, closed: Tensor) -> Tensor:
    return torch.cat([_waves(column), _waves(row), _waves(ground), closed[..., None]], -1)


def show_to_video(poses: Tensor) -> Tensor:
    """Poses [..., 4 frames, 4] -> features [..., 16 tokens, 4 * POSE_FEATURES]: where the gripper and its shadow are
    as seen from each token's centre, in each of the latent's four frames."""
    side = SIZE / GRID
    centre = (torch.arange(GRID, device=poses.device) + 0.5) * side
    rows, columns = torch.meshgrid(centre, centre, indexing="ij")
    rows, columns = rows.reshape(-1, 1), columns.reshape(-1, 1)
    x, y, z, closed = (p[..., None, :] for p in poses.unbind(-1))
    closed = closed.expand(*closed.shape[:-2], GRID * GRID, -1)
    return _features(x - columns, y - z - rows, y - rows, closed).flatten(-2)


def show_to_action(poses: Tensor) -> Tensor:
    """Poses [..., 4 frames, 4] -> features [..., 4 * POSE_FEATURES] as seen from the image's middle."""
    x, y, z, closed = poses.unbind(-1)
    return _features(x - SIZE / 2, y - z - SIZE / 2, y - SIZE / 2, closed).flatten(-2)


def things_to_video(things: Tensor) -> Tensor:
    """Things [N, kinds, 4] (x, y, z, presence) -> features [N, 16 tokens, kinds * THING_FEATURES]."""
    side = SIZE / GRID
    centre = (torch.arange(GRID, device=things.device) + 0.5) * side
    rows, columns = torch.meshgrid(centre, centre, indexing="ij")
    x, y, z, there = (t[:, None] for t in things.unbind(-1))
    waves = [_waves(x - columns.reshape(-1, 1)), _waves(y - z - rows.reshape(-1, 1))]
    height = (z / 8).expand(-1, GRID * GRID, -1)[..., None]
    features = torch.cat([*waves, height, torch.ones_like(height)], -1)
    return (features * there[..., None]).flatten(2)


def things_to_action(things: Tensor, pose: Tensor) -> Tensor:
    """Things [N, kinds, 4] as seen from the gripper at `pose` [N, 4] -> features [N, kinds * REACH_FEATURES]."""
    offset = things[..., :3] - pose[:, None, :3]
    features = torch.cat(
        [offset / 16, torch.tanh(offset / 3), things[..., 2:3] / 8, torch.ones_like(things[..., :1])], -1
    )
    return (features * things[..., 3:]).flatten(1)
