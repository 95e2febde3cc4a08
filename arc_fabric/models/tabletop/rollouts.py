"""Rolling the model out over many scenes at once, for evaluation: imagined, steered, or acting in the simulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from arc_fabric.models.tabletop import physics
from arc_fabric.models.tabletop.blocks import HORIZON
from arc_fabric.models.tabletop.model import TabletopModel
from arc_fabric.models.tabletop.render import render_scene
from arc_fabric.models.tabletop.scene import Scene
from arc_fabric.models.tabletop.simulator import copy_scene

CHUNK = 25
"""Scenes per forward pass."""


def imagine(
    model: TabletopModel,
    scenes: Sequence[Scene],
    prompts: Sequence[str],
    steps: int,
    *,
    actions: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Free-running video, uint8 [N, 1 + 8 steps, 64, 64, 3], from the first frame and state of each scene.

    With `actions` (float32 [N, 8 steps, 4]) the model is steered, else it acts itself. At a window's end a session
    goes on from its own last decoded frame."""
    parts = []
    for at in range(0, len(scenes), CHUNK):
        part = slice(at, at + CHUNK)
        given = None if actions is None else actions[part]
        parts.append(_imagine_chunk(model, scenes[part], prompts[part], steps, given, seed + at))
    return np.concatenate(parts)


def _imagine_chunk(
    model: TabletopModel,
    scenes: Sequence[Scene],
    prompts: Sequence[str],
    steps: int,
    actions: np.ndarray | None,
    seed: int,
) -> np.ndarray:
    model.action_head.seed = [seed + row for row in range(len(scenes))]
    video = [np.stack([render_scene(scene) for scene in scenes])[:, None]]
    states: list[np.ndarray | None] = [scene.proprio() for scene in scenes]
    latents = None
    for step in range(steps):
        fresh = step % model.geometry.steps_per_window == 0
        frames = video[-1][:, -1:] if fresh else video[-1]
        now = None if actions is None else actions[:, HORIZON * step : HORIZON * (step + 1)]
        inputs = _join(model, frames, prompts, states, now)
        model.action_head.memory = model.action_head.ys if fresh and step else None
        latents = model.lazy_joint_video_action_causal(inputs, None if fresh else latents)["video_pred"]
        video.append(_decode_new(model, latents))
        states = [None] * len(scenes)
    return np.concatenate(video, 1)


def _join(
    model: TabletopModel,
    frames: np.ndarray,
    prompts: Sequence[str],
    states: Sequence[np.ndarray | None],
    actions: np.ndarray | None,
) -> dict[str, torch.Tensor]:
    """The inputs of all rows, joined."""
    rows = [
        model.make_inputs(frames[n], prompts[n], state=states[n], action=None if actions is None else actions[n])
        for n in range(len(frames))
    ]
    return {key: torch.cat([row[key] for row in rows]) for key in rows[0]}


def _decode_new(model: TabletopModel, latents: torch.Tensor) -> np.ndarray:
    """The 8 new frames of each row, uint8 [N, 8, 64, 64, 3]."""
    start = latents.shape[2] - model.geometry.latents_per_block
    padded = latents if start else torch.cat([latents[:, :, :1], latents], 2)
    return np.stack([model.decode(row[None], start=max(1, start)) for row in padded])


def act_in_simulator(
    model: TabletopModel, scenes: Sequence[Scene], prompts: Sequence[str], chunks: int, *, seed: int = 0
) -> list[Scene]:
    """Closed loop: the model sees the simulator's frame and state, its 8 predicted actions are executed, and so on;
    returns the scenes as they are after `chunks` times 8 actions."""
    scenes = [copy_scene(scene) for scene in scenes]
    for at in range(0, len(scenes), CHUNK):
        part, words = scenes[at : at + CHUNK], prompts[at : at + CHUNK]
        for chunk in range(chunks):
            model.action_head.seed = [seed + at + row + 7919 * chunk for row in range(len(part))]
            frames = np.stack([render_scene(scene) for scene in part])[:, None]
            inputs = _join(model, frames, words, [scene.proprio() for scene in part], None)
            model.action_head.memory = model.action_head.ys if chunk else None
            predicted = model.lazy_joint_video_action_causal(inputs)["action_pred"].cpu().numpy()
            for scene, actions in zip(part, predicted, strict=True):
                for action in actions:
                    physics.step(scene, action)
    return scenes
