"""One step of one world: from a snapshot to the next, on the model's head.

A root, a full window and a prompt change in mode `reset` start a *new window*, anchored on the last decoded
frame; a model that remembers is told what the last window knew (`ys`). Otherwise the window *continues*: the head
is restored if it holds another snapshot, and the pending block goes back in as `latent_video`. A prompt change within a
window keeps the older KV (`keep`) or first rebuilds it under the new prompt (`recache`).

That is so for models of DreamZero's surface; those that declare their state step in `arc_fabric.declared`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from arc_fabric.base.present import present
from arc_fabric.declared import StepRequest, advance_declared, floats, require_finite
from arc_fabric.kv import rebuild_kv
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import Model, WorldModel
from arc_fabric.state import CallRecord, WorldStateSnapshot, identity_of


def root_snapshot(
    model: Model, request: StepRequest, initial_frame: np.ndarray, embodiment_id: int
) -> WorldStateSnapshot:
    """The snapshot of a world in which nothing has happened yet."""
    frame = model.fit_image(initial_frame)
    return WorldStateSnapshot(
        checkpoint_id=None,
        session_id=request.session_id,
        frames=torch.tensor(frame)[None],
        prompt_text=request.prompt,
        seed=request.seed,
        state=floats(request.state),
        embodiment_id=embodiment_id,
        identity=identity_of(model),
        tokens_per_latent=model.geometry.tokens_per_latent,
    )


@dataclass(frozen=True)
class Opening:
    """How a call begins."""

    images: np.ndarray
    """uint8 [T, H, W, 3]; T == 1 starts a window."""
    past: Tensor | None = None
    """The window's latents so far, [1, T, C, h, w]; None for a new window."""
    calls: tuple[CallRecord, ...] = ()
    prompt_mode: str | None = None


@torch.no_grad()
def advance(manager: StateManager, before: WorldStateSnapshot, request: StepRequest) -> WorldStateSnapshot:
    """Take one step. After an exception the head is undefined: restore `before`.

    Raises NonFiniteLatents when the model's output is not finite, StateOverwritten when it wrote into `before`.
    """
    if manager.declared is not None:
        return advance_declared(manager, before, request)
    model = manager.windowed
    opening = open_call(manager, before, request)
    model.action_head.seed = request.seed
    out = model.lazy_joint_video_action_causal(*arguments_of(model, before, request, opening))
    manager.require_unwritten(before)
    require_finite(out["video_pred"], out["action_pred"])
    after = collect(manager, before, request, opening, out["video_pred"], out["action_pred"])
    manager.set_resident(after)
    return after


def arguments_of(
    model: WorldModel, before: WorldStateSnapshot, request: StepRequest, opening: Opening
) -> tuple[dict[str, Tensor], Tensor | None]:
    """What the model is called with: its inputs, and the pending block within a window."""
    inputs = model.make_inputs(
        opening.images,
        request.prompt,
        action=request.action,
        state=request.state,
        embodiment_id=before.embodiment_id,
    )
    added = model.geometry.latents_per_block
    return inputs, None if opening.past is None else for_model(model, opening.past[:, -added:])


def open_call(manager: StateManager, before: WorldStateSnapshot, request: StepRequest) -> Opening:
    """Bring the head to where the call begins. After an exception the head is undefined."""
    ends = before.is_root or len(before.calls) >= manager.model.geometry.steps_per_window
    changed = not before.is_root and request.prompt != before.prompt_text
    if ends or (changed and request.prompt_mode == "reset"):
        manager.begin_window(before)
        seen = present(before.frames).numpy() if request.observed is None else request.observed
        return Opening(seen[-1:], prompt_mode=None if ends else "reset")
    manager.make_resident(before)
    manager.set_resident(None)
    return _continue_window(manager, before, request, changed)


def _continue_window(manager: StateManager, before: WorldStateSnapshot, request: StepRequest, changed: bool) -> Opening:
    model, calls, past = manager.windowed, before.calls, present(before.latent_video)
    images = present(before.frames).numpy()[-model.geometry.frames_per_latent :]
    if request.observed is not None:
        seen = model.encode_observed(request.observed).detach().cpu().transpose(1, 2)
        past = torch.cat([past[:, : -seen.shape[1]], seen], 1)
    if changed and request.prompt_mode == "recache":
        rebuild_kv(model, before, [request.prompt] * len(calls))
        calls = tuple(replace(call, prompt=request.prompt) for call in calls)
    if changed:
        model.action_head.language = model.language_of(request.prompt)
    return Opening(images, past, calls, request.prompt_mode if changed else None)


def collect(
    manager: StateManager, before: WorldStateSnapshot, request: StepRequest, opening: Opening, video: Tensor,
    predicted: Tensor,
) -> WorldStateSnapshot:  # fmt: skip
    """The snapshot after a call of one row: the head's state, the window's latents, what the step added."""
    model = manager.windowed
    new = video.detach().cpu().transpose(1, 2).clone(memory_format=torch.contiguous_format)
    window = new if opening.past is None else torch.cat([opening.past, new], 1)
    added = model.geometry.latents_per_block
    frames = model.decode(for_model(model, window), start=window.shape[1] - added)
    actions = predicted[0].detach().float().cpu() if request.action is None else torch.tensor(request.action)
    calls = (*opening.calls, CallRecord(request.prompt, floats(request.state), request.observed is not None))
    history = [] if before.action_history is None or len(calls) == 1 else [before.action_history[1 - len(calls) :]]
    return replace(
        manager.extract_state(),
        session_id=request.session_id,
        frame_index=before.frame_index + 1,
        parent_checkpoint_id=before.checkpoint_id or before.parent_checkpoint_id,
        prompt_text=request.prompt,
        prompt_mode=opening.prompt_mode,
        state=floats(request.state),
        embodiment_id=before.embodiment_id,
        latent_video=window,
        step_latents=window[:, -added:].clone(memory_format=torch.contiguous_format),
        frames=torch.tensor(frames),
        observed=None if request.observed is None else torch.tensor(request.observed),
        action_history=torch.cat([*history, actions[None]]),
        action_source="predicted" if request.action is None else "given",
        steered=request.action is not None and model.abilities.steers_with_actions,
        calls=calls,
    )


def for_model(model: WorldModel, latents: Tensor) -> Tensor:
    """[B, T, C, h, w] on the CPU -> [B, C, T, h, w] on the model's device."""
    return latents.transpose(1, 2).contiguous().to(model.device)
