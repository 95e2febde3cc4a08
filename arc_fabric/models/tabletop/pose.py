"""Gripper poses: dead reckoning from actions, and how a pose is shown to the transformer.

A *pose* is float [..., 4]: x, y, z in pixels and the grip command in [-1, 1] (above 0 closes). *Unit actions* are
float [..., 4] in [-1, 1]: dx, dy, dz over `MAX_STEP`, and grip. Positions follow exactly what the simulator does to
a gripper that touches nothing: add, then clip to the workspace.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arc_fabric.models.tabletop.physics import MAX_STEP
from arc_fabric.models.tabletop.scene import GRIPPER_HIGH, GRIPPER_LOW, SIZE

OCTAVES = (1.0, 2.0, 4.0, 8.0)
"""Frequencies, in cycles per two image widths, at which offsets are shown."""
GRID = 4
"""Tokens per side of a latent frame."""
POSE_FEATURES = 3 * 2 * len(OCTAVES) + 1
"""Features per token and frame: waves of the offsets in column, row and shadow row, and the grip command."""
NEAR_COLUMNS, NEAR_ROWS = tuple(range(-16, 17, 4)), tuple(range(-10, 23, 4))
"""Offsets, in pixels, at which bumps show a gripper nearby (it is 12 pixels tall, its tips are its lowest point)."""
SHADOW_COLUMNS, SHADOW_ROWS = tuple(range(-12, 13, 4)), tuple(range(-8, 9, 4))
BUMP = 3.2
"""Width of a bump exp(-(d / BUMP)^2) in pixels."""
NEAR_FEATURES = 2 * len(NEAR_COLUMNS) * len(NEAR_ROWS) + len(SHADOW_COLUMNS) * len(SHADOW_ROWS)
"""Further features per video token and frame: the gripper nearby, as closed and as open, and its shadow."""


def pose_of_state(state: Tensor) -> Tensor:
    """Proprioceptive state [..., 4] (x, y, z, opening in [0, 1]) -> pose: the opening read as a grip command."""
    return torch.cat([state[..., :3], 1 - 2 * state[..., 3:]], -1)


def integrate(start: Tensor, actions: Tensor) -> Tensor:
    """Poses after each action: start [..., 4], unit actions [..., N, 4] -> [..., N, 4]."""
    low, high = start.new_tensor(GRIPPER_LOW), start.new_tensor(GRIPPER_HIGH)
    here, track = start[..., :3], []
    for n in range(actions.shape[-2]):
        here = torch.clamp(here + MAX_STEP * actions[..., n, :3], low, high)
        track.append(torch.cat([here, actions[..., n, 3:]], -1))
    return torch.stack(track, -2)


def shrink(noisy: Tensor, t: Tensor) -> Tensor:
    """The expected clean unit action given its noisy version (1 - t) a + t e, for unit variances."""
    return noisy * ((1 - t) / ((1 - t).square() + t.square()))


def _waves(offset: Tensor) -> Tensor:
    """Sines and cosines of pixel offsets: [...] -> [..., 2 * octaves]."""
    scale = torch.tensor(OCTAVES, device=offset.device) * (math.pi / SIZE)
    phase = offset[..., None] * scale
    return torch.cat([phase.sin(), phase.cos()], -1)


def _bumps(column: Tensor, columns: tuple[int, ...], row: Tensor, rows: tuple[int, ...]) -> Tensor:
    """Products of Gaussian bumps in column and row: [...] and [...] -> [..., len(columns) * len(rows)]."""
    across, down = (
        torch.exp(-((offset[..., None] - offset.new_tensor(centres)) / BUMP).square())
        for offset, centres in ((column, columns), (row, rows))
    )
    return (down[..., :, None] * across[..., None, :]).flatten(-2)


def _features(column: Tensor, row: Tensor, ground: Tensor, grip: Tensor) -> Tensor:
    return torch.cat([_waves(column), _waves(row), _waves(ground), grip[..., None]], -1)


def show_to_video(poses: Tensor) -> Tensor:
    """Poses [..., 4 frames, 4] -> features [..., 16 tokens, 4 * (POSE_FEATURES + NEAR_FEATURES)]: where the gripper and
    its shadow are as seen from each token's centre, in each of the latent's four frames."""
    side = SIZE / GRID
    centre = (torch.arange(GRID, device=poses.device) + 0.5) * side
    rows, columns = torch.meshgrid(centre, centre, indexing="ij")
    rows, columns = rows.reshape(-1, 1), columns.reshape(-1, 1)
    x, y, z, grip = (p[..., None, :] for p in poses.unbind(-1))
    grip = grip.expand(*grip.shape[:-2], GRID * GRID, -1)
    waves = _features(x - columns, y - z - rows, y - rows, grip)
    body = _bumps(x - columns, NEAR_COLUMNS, y - z - rows, NEAR_ROWS)
    shadow = _bumps(x - columns, SHADOW_COLUMNS, y - rows, SHADOW_ROWS)
    closed = ((1 + grip) / 2).clamp(0, 1)[..., None]
    near = torch.cat([body * closed, body * (1 - closed), shadow], -1)
    return torch.cat([waves.flatten(-2), near.flatten(-2)], -1)


def show_to_action(poses: Tensor) -> Tensor:
    """Poses [..., 4 frames, 4] -> features [..., 4 * POSE_FEATURES] as seen from the image's middle."""
    x, y, z, grip = poses.unbind(-1)
    return _features(x - SIZE / 2, y - z - SIZE / 2, y - SIZE / 2, grip).flatten(-2)
