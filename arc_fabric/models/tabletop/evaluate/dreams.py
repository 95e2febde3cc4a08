"""Rolling out many scenes at once: in the model, in the model with something taken from it, or in the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.tabletop.evaluate.cases import Case
from arc_fabric.models.tabletop.net.head import ActionHead
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.tokens import PATCH
from arc_fabric.models.tabletop.world import physics
from arc_fabric.models.tabletop.world.episodes import Chance, record, replay
from arc_fabric.models.tabletop.world.render import render_scene
from arc_fabric.models.tabletop.world.scene import Scene

CHUNK = 50
"""Scenes per forward pass."""
FRAMES = 8
"""Frames, and actions, per step."""
CELLS = PATCH * PATCH


class Dreamer(Protocol):
    """Whoever tells what will happen."""

    def imagine(
        self, cases: Sequence[Case], steps: int, *, given: bool = False, seed: int = 0, prompts: Sequence[str] = ()
    ) -> np.ndarray:
        """Video uint8 [N, 1 + 8 steps, 64, 64, 3] from the first frame and state of each case: with `given`, of the
        actions of its episode, else of what is done under its prompt (or under `prompts`)."""


class Simulator:
    """The simulator itself, with other chance than in the cases' episodes: what a perfect model would reach."""

    def imagine(
        self, cases: Sequence[Case], steps: int, *, given: bool = False, seed: int = 0, prompts: Sequence[str] = ()
    ) -> np.ndarray:
        """See `Dreamer`; an expert does the case's task, whatever the prompt."""
        count, clips = 1 + FRAMES * steps, []
        for n, case in enumerate(cases):
            if given:
                chance = Chance(np.random.default_rng((seed, n)))
                clips.append(replay(case.scene, case.episode.actions[: count - 1], chance).frames())
            else:
                clips.append(record(case.scene, case.task, count, 1_000_003 * seed + n).frames())
        return np.stack(clips)


Ablation = Callable[[ActionHead, Tensor], Tensor]
"""Changes the head before a step; takes the pending block and returns the one to go on from."""


def kv_of_others(head: ActionHead, pending: Tensor) -> Tensor:
    """The KV of another session of the batch, and its pending block, which the call writes into the KV first."""
    _each(head, lambda kv: kv.roll(1, 1))
    return pending.roll(1, 0)


def kv_of_others_own_block(head: ActionHead, pending: Tensor) -> Tensor:
    """The KV of another session, but the pending block of its own."""
    _each(head, lambda kv: kv.roll(1, 1))
    return pending


def kv_random(head: ActionHead, pending: Tensor) -> Tensor:
    """Keys and values replaced by random numbers of their size."""
    noise = torch.Generator().manual_seed(1)
    _each(head, lambda kv: kv.std() * torch.randn(kv.shape, generator=noise))
    return pending


def kv_zeroed(head: ActionHead, pending: Tensor) -> Tensor:
    """Keys and values replaced by zeros."""
    _each(head, torch.zeros_like)
    return pending


def kv_cut(head: ActionHead, pending: Tensor) -> Tensor:
    """Of the past only the last block, which is about to be written: nothing before it."""
    _each(head, lambda kv: kv[:, :, :0])
    return pending


def _each(head: ActionHead, change: Callable[[Tensor], Tensor]) -> None:
    head.kv_cache1 = [change(kv) for kv in head.kv_cache1]
    head.kv_cache_neg = [change(kv) for kv in head.kv_cache_neg]


@dataclass
class Model:
    """The model, perhaps with something done to it before the last step of every window (or before every step)."""

    model: TabletopModel
    path: Path
    """The file of its weights."""
    ablation: Ablation | None = None
    always: bool = False

    @classmethod
    def without_heads(cls, path: Path) -> Model:
        """The model with the output heads of its transformer zeroed, and what its pointers find not taken."""
        model = TabletopModel.load(path, recorded=False)
        for head in (model.dit.head_video, model.dit.head_action, model.dit.pointer.trust):
            torch.nn.init.zeros_(head.weight)
            torch.nn.init.zeros_(head.bias)
        model.dit.pointer.trust.bias[:CELLS] = 50.0
        return cls(model, path)

    def imagine(
        self, cases: Sequence[Case], steps: int, *, given: bool = False, seed: int = 0, prompts: Sequence[str] = ()
    ) -> np.ndarray:
        """See `Dreamer`. At a window's end a session goes on from its own last decoded frame."""
        words = list(prompts) or [case.prompt for case in cases]
        parts = []
        for at in range(0, len(cases), CHUNK):
            part = slice(at, at + CHUNK)
            actions = np.stack([case.episode.actions for case in cases[part]]) if given else None
            scenes = [case.scene for case in cases[part]]
            parts.append(self._imagine(scenes, words[part], steps, actions, 1_000_003 * seed + at))
        return np.concatenate(parts)

    def _imagine(
        self, scenes: list[Scene], prompts: list[str], steps: int, actions: np.ndarray | None, seed: int
    ) -> np.ndarray:
        self.model.exact_batches = False
        self.model.action_head.seed = [seed + row for row in range(len(scenes))]
        video = [np.stack([render_scene(scene) for scene in scenes])[:, None]]
        states: list[np.ndarray | None] = [scene.proprio() for scene in scenes]
        latents = None
        for step in range(steps):
            place = step % self.model.geometry.steps_per_window
            latents = self._before(place, latents)
            frames = video[-1] if place else video[-1][:, -1:]
            now = None if actions is None else actions[:, FRAMES * step : FRAMES * (step + 1)]
            inputs = joined(self.model, frames, prompts, states, now)
            latents = self.model.lazy_joint_video_action_causal(inputs, latents)["video_pred"]
            video.append(decoded(self.model, latents))
            states = [None] * len(scenes)
        return np.concatenate(video, 1)

    def _before(self, place: int, latents: Tensor | None) -> Tensor | None:
        if place == 0 or latents is None:
            return None
        if self.ablation and (self.always or place == self.model.geometry.steps_per_window - 1):
            return self.ablation(self.model.action_head, latents)
        return latents


def joined(
    model: TabletopModel,
    frames: np.ndarray,
    prompts: Sequence[str],
    states: Sequence[np.ndarray | None],
    actions: np.ndarray | None = None,
) -> dict[str, Tensor]:
    """The inputs of all rows, joined."""
    rows = [
        model.make_inputs(frames[n], prompts[n], state=states[n], action=None if actions is None else actions[n])
        for n in range(len(frames))
    ]
    return {key: torch.cat([row[key] for row in rows]) for key in rows[0]}


def decoded(model: TabletopModel, latents: Tensor) -> np.ndarray:
    """The 8 new frames of each row, uint8 [N, 8, 64, 64, 3]."""
    new = latents[:, :, -model.geometry.latents_per_block :]
    return np.stack([model.decode(torch.cat([row[:, :1], row], 1)[None], start=1) for row in new])


def act(model: TabletopModel, cases: Sequence[Case], steps: int, seed: int) -> list[Scene]:
    """Closed loop: the model sees the simulator's frames and state, its 8 predicted actions are executed in a world of
    chance, and so on; the scenes as they are after `steps` times 8 actions."""
    scenes, prompts = [deepcopy(case.scene) for case in cases], [case.prompt for case in cases]
    model.exact_batches = False
    for at in range(0, len(scenes), CHUNK):
        part, words = scenes[at : at + CHUNK], prompts[at : at + CHUNK]
        chances = [Chance(np.random.default_rng((seed, at + row))) for row in range(len(part))]
        model.action_head.seed = [1_000_003 * seed + at + row for row in range(len(part))]
        frames = np.stack([render_scene(scene) for scene in part])[:, None]
        for step in range(steps):
            fresh = step % model.geometry.steps_per_window == 0
            seen = frames[:, -1:] if fresh else frames
            inputs = joined(model, seen, words, [scene.proprio() for scene in part])
            predicted = model.lazy_joint_video_action_causal(inputs)["action_pred"].cpu().numpy()
            frames = np.stack([_execute(*row) for row in zip(part, predicted, chances, strict=True)])
    return scenes


def _execute(scene: Scene, actions: np.ndarray, chance: Chance) -> np.ndarray:
    """Act on the scene, in place; the frames uint8 [8, 64, 64, 3] that follow."""
    frames = []
    for action in actions:
        physics.step(scene, action, chance)
        frames.append(render_scene(scene))
    return np.stack(frames)
