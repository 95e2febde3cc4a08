"""What the SDK's tests do with worlds: make them, step them, compare them."""

from __future__ import annotations

import numpy as np
import torch

from arc_fabric import Session, StateManager, StepResult
from tests.support.toy_model import ToyModel

PROMPT = "pick up the red cup"
OTHER = "push the cup to the left"


def new_session(manager: StateManager, name: str = "ses", **options) -> Session:
    """A session of the toy world."""
    options = {"prompt": PROMPT, "initial_frame": ToyModel.sample_frame()} | options
    return Session(name, manager.model, manager, **options)


def run(session: Session, steps: int, **options) -> list[StepResult]:
    """Several steps."""
    return [session.step(**options) for _ in range(steps)]


def assert_same(a: StepResult, b: StepResult) -> None:
    """Two steps have the same bits: latents, frames and actions."""
    assert a.frame_index == b.frame_index
    assert torch.equal(a.step_latents, b.step_latents)
    assert np.array_equal(a.frames, b.frames)
    assert np.array_equal(a.actions, b.actions)


def same_bits(a: StepResult, b: StepResult) -> bool:
    """Whether two steps have the same latents."""
    return torch.equal(a.step_latents, b.step_latents)


def uninterrupted(steps: int, **options) -> list[StepResult]:
    """A plain run on a model of its own, without checkpoints."""
    session = new_session(StateManager(ToyModel()), **options)
    return run(session, steps, auto_checkpoint=False)
