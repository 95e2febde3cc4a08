"""One step of one world: from a snapshot to the next, on the model's head.

A root, a full window and a prompt change in mode `reset` start a *new window*, anchored on the last decoded
frame; a model that remembers is told what the last window knew (`ys`). Otherwise the window *continues*: the head
is restored if it holds another snapshot, and the pending block goes back in as `latent_video`. A prompt change within a
window keeps the older KV (`keep`) or first rebuilds it under the new prompt (`recache`).

That is so for models of DreamZero's surface. One that declares its state is brought to where the step begins, goes on
by one block, and what it holds then is captured: no window ends, no block waits; `reset` begins the world anew, from
the last picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.base.present import present
from arc_fabric.errors import InvalidRequest, ModelError, NonFiniteLatents
from arc_fabric.kv import first_picture, rebuild_kv
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import DeclaredModel, Model, StepInput, StepOutput, WorldModel
from arc_fabric.state import CallRecord, WorldStateSnapshot, identity_of
from arc_fabric.steps.early import Early, OnFrames
from arc_fabric.steps.request import StepRequest


def root_snapshot(
    model: Model, request: StepRequest, initial_frame: np.ndarray | None, embodiment_id: int
) -> WorldStateSnapshot:
    """The snapshot of a world in which nothing has happened yet. Without a picture it begins from its prompt alone;
    raises InvalidRequest where a model needs one."""
    size = model.geometry.image_height, model.geometry.image_width, 3
    if initial_frame is None and model.abilities.needs_picture:
        raise InvalidRequest("This model begins a world from a picture.", hint="Give an initial frame.")
    frame = np.zeros(size, np.uint8) if initial_frame is None else model.fit_image(np.asarray(initial_frame))
    return WorldStateSnapshot(
        checkpoint_id=None,
        session_id=request.session_id,
        frames=torch.tensor(frame)[None],
        pictured=initial_frame is not None,
        prompt_text=request.prompt,
        seed=request.seed,
        state=floats(request.state),
        embodiment_id=embodiment_id,
        settings=request.settings,
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
def advance(
    manager: StateManager, before: WorldStateSnapshot, request: StepRequest, on_frames: OnFrames | None = None
) -> WorldStateSnapshot:
    """Take one step. After an exception the head is undefined: restore `before`, and forget what `on_frames` was given
    of the step by a model that streams.

    Raises NonFiniteLatents when the model's output is not finite, StateOverwritten when it wrote into `before`.
    """
    if manager.declared is not None:
        return _advance_declared(manager, before, request, on_frames)
    model = manager.windowed
    opening = open_call(manager, before, request)
    give_settings(model, request)
    with manager.keeping_seed():
        model.action_head.seed = request.seed
        out = model.lazy_joint_video_action_causal(*arguments_of(model, before, request, opening))
    manager.require_unwritten(before)
    require_finite(out["video_pred"], out["action_pred"])
    after = collect(manager, before, request, opening, out["video_pred"], out["action_pred"])
    manager.set_resident(after)
    return after


def give_settings(model: WorldModel, request: StepRequest) -> None:
    """Tell a model that takes settings those of the call that comes."""
    if model.abilities.settings:
        model.action_head.settings = dict(request.settings)


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
    earlier = len(opening.calls)
    history = [] if before.action_history is None or not earlier else [before.action_history[-earlier:]]
    return replace(
        manager.extract_state(),
        **_given(manager, before, request, opening.prompt_mode, opening.calls),
        latent_video=window,
        step_latents=window[:, -added:].clone(memory_format=torch.contiguous_format),
        frames=torch.tensor(frames),
        action_history=torch.cat([*history, actions[None]]),
        action_source="predicted" if request.action is None else "given",
    )


def _given(
    manager: StateManager, before: WorldStateSnapshot, request: StepRequest, mode: str | None,
    earlier: tuple[CallRecord, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """The fields of a snapshot that follow from what its step was given; `earlier`: the window's calls before it."""
    return {
        "session_id": request.session_id,
        "frame_index": before.frame_index + 1,
        "parent_checkpoint_id": before.checkpoint_id or before.parent_checkpoint_id,
        "seed": request.seed,
        "prompt_text": request.prompt,
        "prompt_mode": mode,
        "state": floats(request.state),
        "embodiment_id": before.embodiment_id,
        "settings": request.settings,
        "observed": None if request.observed is None else torch.tensor(request.observed),
        "steered": request.action is not None and manager.model.abilities.steers_with_actions,
        "calls": (*earlier, CallRecord(request.prompt, floats(request.state), request.observed is not None)),
    }


def for_model(model: WorldModel, latents: Tensor) -> Tensor:
    """[B, T, C, h, w] on the CPU -> [B, C, T, h, w] on the model's device."""
    return latents.transpose(1, 2).contiguous().to(model.device)


@torch.no_grad()
def _advance_declared(
    manager: StateManager, before: WorldStateSnapshot, request: StepRequest, on_frames: OnFrames | None
) -> WorldStateSnapshot:
    """Take one step. Raises what `advance` raises."""
    model = present(manager.declared)
    early = None if on_frames is None or not model.abilities.streams else Early(_size_of(model), on_frames)
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
        action=_own(request.action),  # the model may write into what it is given; what is recorded is as it was
        state=_own(request.state),
        picture=_own(first_picture(before)) if begins else None,
        observed=_own(request.observed),
        embodiment_id=before.embodiment_id,
        prompt_mode=None if mode == "reset" else mode,
        settings=request.settings,
        begins=begins,
        show=early,
    )
    try:
        out = _checked(model, model.step(given))
    finally:
        if early is not None:
            early.end()
    if early is not None:
        early.require_kept(out.frames)
    manager.require_unwritten(before)
    after = _collect_declared(manager, before, request, mode, out)
    manager.set_resident(after)
    return after


def _own(array: np.ndarray | None) -> np.ndarray | None:
    return None if array is None else array.copy()


def _size_of(model: DeclaredModel) -> tuple[int, int, int, int]:
    geometry = model.geometry
    return geometry.frames_per_step, geometry.image_height, geometry.image_width, 3


def _checked(model: DeclaredModel, out: StepOutput) -> StepOutput:
    """What a step gave, of the sizes that the model states."""
    size = _size_of(model)
    if out.frames.shape != size or out.frames.dtype != np.uint8:
        raise ModelError(
            f"A step of the model gave frames {out.frames.dtype} {list(out.frames.shape)}; its geometry says uint8 "
            f"{list(size)}.",
            hint="Correct the model's geometry, or what its step returns.",
        )
    require_finite(*(x for x in (out.latents, out.actions) if isinstance(x, Tensor)))
    return out


def _collect_declared(
    manager: StateManager, before: WorldStateSnapshot, request: StepRequest, mode: str | None, out: StepOutput
) -> WorldStateSnapshot:
    actions = _actions(out.actions if request.action is None else request.action)
    return replace(
        manager.extract_state(),
        **_given(manager, before, request, mode),
        step_latents=None if out.latents is None else out.latents.detach().cpu().clone(),
        frames=torch.tensor(out.frames),
        action_history=actions,
        action_source=None if actions is None else "predicted" if request.action is None else "given",
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
