"""What a step is given, and one step of a model that declares its state: no window ends, no block waits.

The state is brought to where the step begins, the model goes on by one block, and what it holds then is captured. A new
prompt in mode `reset` begins the world anew, from the last picture where the model wants one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.base.present import present
from arc_fabric.base.terms import PromptMode
from arc_fabric.errors import ModelError, NonFiniteLatents
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import DeclaredModel, StepInput, StepOutput
from arc_fabric.state import CallRecord, WorldStateSnapshot


@dataclass(frozen=True)
class StepRequest:
    """What a step is given."""

    session_id: str
    prompt: str
    seed: int
    prompt_mode: PromptMode = "keep"
    action: np.ndarray | None = None
    """float32 [action_horizon, action_dim]; None: the policy predicts."""
    state: np.ndarray | None = None
    """float32 [state_dim]."""
    observed: np.ndarray | None = None
    """uint8 [T, H, W, 3]: real frames since the last call (closed loop) in place of the imagined ones."""


@torch.no_grad()
def advance_declared(manager: StateManager, before: WorldStateSnapshot, request: StepRequest) -> WorldStateSnapshot:
    """Take one step. Raises what `advance` raises."""
    model = present(manager.declared)
    changed = not before.is_root and request.prompt != before.prompt_text
    mode = request.prompt_mode if changed else None
    begins = before.is_root or mode == "reset"
    if begins:
        manager.clear()
    else:
        manager.make_resident(before)
        manager.set_resident(None)
    given = StepInput(
        request.prompt,
        request.seed,
        before.frame_index + 1,
        action=request.action,
        state=request.state,
        picture=present(before.frames).numpy()[-1] if begins else None,
        observed=request.observed,
        embodiment_id=before.embodiment_id,
        prompt_mode=None if mode == "reset" else mode,
        begins=begins,
    )
    out = model.step(given)
    manager.require_unwritten(before)
    after = _collect(manager, before, request, mode, _checked(model, out))
    manager.set_resident(after)
    return after


def _checked(model: DeclaredModel, out: StepOutput) -> StepOutput:
    """What a step gave, of the sizes that the model states."""
    geometry = model.geometry
    size = (geometry.frames_per_step, geometry.image_height, geometry.image_width, 3)
    if out.frames.shape != size or out.frames.dtype != np.uint8:
        raise ModelError(
            f"A step of the model gave frames {out.frames.dtype} {list(out.frames.shape)}; its geometry says uint8 "
            f"{list(size)}.",
            hint="Correct the model's geometry, or what its step returns.",
        )
    require_finite(*(x for x in (out.latents, out.actions) if isinstance(x, Tensor)))
    return out


def _collect(
    manager: StateManager, before: WorldStateSnapshot, request: StepRequest, mode: str | None, out: StepOutput
) -> WorldStateSnapshot:
    model = present(manager.declared)
    actions = _actions(out.actions if request.action is None else request.action)
    source = None if actions is None else "predicted" if request.action is None else "given"
    return replace(
        manager.extract_state(),
        session_id=request.session_id,
        frame_index=before.frame_index + 1,
        parent_checkpoint_id=before.checkpoint_id or before.parent_checkpoint_id,
        seed=request.seed,
        prompt_text=request.prompt,
        prompt_mode=mode,
        state=floats(request.state),
        embodiment_id=before.embodiment_id,
        step_latents=None if out.latents is None else out.latents.detach().cpu().clone(),
        frames=torch.tensor(out.frames),
        observed=None if request.observed is None else torch.tensor(request.observed),
        action_history=actions,
        action_source=source,
        steered=source == "given" and model.abilities.steers_with_actions,
        calls=(CallRecord(request.prompt, floats(request.state), request.observed is not None),),
    )


def _actions(actions: Any) -> Tensor | None:
    """float32 [1, action_horizon, action_dim] on the CPU; None where there are none."""
    if actions is None:
        return None
    made = torch.as_tensor(actions).detach().float().cpu().clone()
    return made[None] if made.numel() else None


def require_finite(*outputs: Tensor) -> None:
    """Raise NonFiniteLatents."""
    if not all(bool(torch.isfinite(output).all()) for output in outputs):
        raise NonFiniteLatents(
            "The model produced NaN or infinite values; the step was dropped.",
            hint="Step again with another seed or prompt, or rewind.",
        )


def floats(state: np.ndarray | None) -> list[float] | None:
    """A state as it is kept in a snapshot's facts."""
    return None if state is None else [float(x) for x in state]
