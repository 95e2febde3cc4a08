"""Worlds on a model under test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from arc_fabric.manager import StateManager
from arc_fabric.models.contract import Model, is_declared
from arc_fabric.session import Session
from arc_fabric.steps.result import StepResult
from arc_fabric.store import SnapshotStore

PROMPT, OTHER = "pick up the red cup", "push the cup to the left"
MOST_STEPS = 8
Make = Callable[[], Model]


@dataclass(frozen=True)
class Subject:
    """The model under test."""

    make: Make
    others: tuple[Make, ...] = ()
    """Models with other weights or settings, which must have other identities."""

    @cached_property
    def model(self) -> Model:
        """One of them, to look at."""
        return self.make()

    @cached_property
    def steps(self) -> int:
        """A window and a step of the next, where windows are short; where none ends, so many that caches roll."""
        return min(MOST_STEPS, max(4, (self.model.geometry.steps_per_window or MOST_STEPS) + 1))

    @cached_property
    def plain(self) -> list[StepResult]:
        """A run that nothing interrupts and nobody checkpoints."""
        session = begin(self.make())
        return [session.step(auto_checkpoint=False) for _ in range(self.steps)]


def begin(model: Model, manager: StateManager | None = None, name: str = "ses", **more: Any) -> Session:
    """A world on one of the model's pictures."""
    samples = model.samples() if hasattr(model, "samples") else {}
    size = model.geometry.image_height, model.geometry.image_width, 3
    picture = next(iter(samples.values()), np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))
    return Session(name, model, manager or StateManager(model), more.pop("prompt", PROMPT), picture, **more)


def light_manager(model: Model, policy: Any = "full") -> StateManager:
    """A manager that keeps nothing at hand: every step back is a restore."""
    return StateManager(model, max_checkpoints=1, store=SnapshotStore(None, policy=policy), resident_bytes=0)


def difference(a: StepResult, b: StepResult) -> str:
    """What differs between two steps, in words; empty where they have the same bits."""
    parts = [] if torch.equal(a.step_latents, b.step_latents) else ["latents"]
    parts += [] if np.array_equal(a.frames, b.frames) else ["frames"]
    parts += [] if np.array_equal(a.actions, b.actions) else ["actions"]
    return " and ".join(parts)


class Broken(Exception):
    """What a call fails with on purpose."""


class _FailAt(TorchFunctionMode):
    """Counts torch calls, and fails at one of them."""

    def __init__(self, at: int | None) -> None:
        super().__init__()
        self.at, self.count = at, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        if self.count == self.at:
            raise Broken
        return func(*args, **(kwargs or {}))


def step_failing(session: Session, at: int | None) -> int:
    """A step whose model call fails at its torch call number `at`; how many there were."""
    model, mode = session.model, _FailAt(at)
    name = "step" if is_declared(model) else "lazy_joint_video_action_causal"
    call = getattr(model, name)

    def failing(*args: Any, **kwargs: Any) -> Any:
        with mode:
            return call(*args, **kwargs)

    setattr(model, name, failing)
    try:
        with suppress(Broken):
            session.step(auto_checkpoint=False)
    finally:
        delattr(model, name)  # the class's own again
    return mode.count
