"""Stepping the tabletop model at the level of its attributes, as the StateManager does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from arc_fabric.models.contract import LISTS, SCALARS, TENSORS
from arc_fabric.models.tabletop.net.model import TabletopModel

CUP = "pick up the red cup"
PUSH = "push the cup to the left"
NAME = "two-cups"


@dataclass
class Stepped:
    """One step's output."""

    video: torch.Tensor
    action: torch.Tensor


def call(model: TabletopModel, prompt: str, latents: torch.Tensor | None, **given: Any) -> Stepped:
    """One call: with `latents` a step within the window, else a new window on the sample frame."""
    frame = model.samples()[NAME]
    frames = frame[None] if latents is None else np.repeat(frame[None], 8, 0)
    out = model.lazy_joint_video_action_causal(model.make_inputs(frames, prompt, **given), latents)
    return Stepped(out["video_pred"], out["action_pred"])


def run(model: TabletopModel, steps: int, prompt: str = CUP, latents: torch.Tensor | None = None) -> list[Stepped]:
    """Several steps; without `latents` they begin a window."""
    history: list[Stepped] = []
    for _ in range(steps):
        state = model.sample_state(NAME) if latents is None else None
        history.append(call(model, prompt, latents, state=state))
        latents = history[-1].video
    return history


def keep(model: TabletopModel) -> dict[str, Any]:
    """The head's state by reference, lists copied."""
    head = model.action_head
    return {
        **{name: list(getattr(head, name)) for name in LISTS},
        **{name: getattr(head, name) for name in (*TENSORS, *SCALARS)},
    }


def restore(model: TabletopModel, kept: dict[str, Any]) -> None:
    """Put kept state back, with new lists."""
    for name, value in kept.items():
        setattr(model.action_head, name, list(value) if name in LISTS else value)


def equal(a: list[Stepped], b: list[Stepped]) -> bool:
    """The same bits, latents and actions."""
    return all(torch.equal(x.video, y.video) and torch.equal(x.action, y.action) for x, y in zip(a, b, strict=True))
