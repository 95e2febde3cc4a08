"""The promises that a declared state makes, and the shapes that steps may have; one function each, as in `checks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from arc_fabric.base.terms import PROMPT_MODES
from arc_fabric.errors import ArcFabricError, InvalidRequest, ModelError
from arc_fabric.held.names import key_of, keys_of, segment_key
from arc_fabric.models.contract import BUFFERS, DeclaredModel, Part, is_declared, spans_of
from arc_fabric.session import Session
from arc_fabric.steps.request import require_mode
from arc_fabric.steps.result import StepResult
from arc_fabric.store.format.manifest import Manifest, is_rebuildable
from arc_fabric.testing.checks import Problems, Skip
from arc_fabric.testing.run import OTHER, PROMPT, Subject, begin, difference, light_manager

_TAKEN_UP = ("the step that takes it up", "the one after")


def declaration(subject: Subject) -> Problems:
    """Every declared part is there, of its kind, and stays what it is declared to be."""
    model = _declared(subject)
    begin(model).step(auto_checkpoint=False)
    state = model.export_state()
    for name, part in model.parts.items():
        value = state.get(name)
        if name not in state and not part.left_out:
            yield f"`export_state` does not give the declared part {name!r}.", "Give every part, or do not declare it."
        elif part.kind == "scalar" and not isinstance(value, (bool, int, float, str)):
            yield (
                f"The scalar {name!r} is a {type(value).__name__}.",
                "Give a number, flag or text.",
            )
        elif part.kind != "scalar" and part.layers != isinstance(value, (list, tuple)):
            yield (
                f"{name!r} is {'no' if part.layers else 'a'} list.",
                "Declare `layers=True` for lists.",
            )
        elif part.kind in BUFFERS and not _same_memory(name, part, value, model.export_state().get(name)):
            yield (
                f"`export_state` gives a copy of the buffer {name!r}: what is written back into it never reaches it.",
                "Give the very buffer that the next step reads.",
            )
    if undeclared := sorted(set(state) - set(model.parts)):
        yield f"`export_state` gives {', '.join(undeclared)}, which no part declares.", "Declare it as what it is."


def _same_memory(name: str, part: Part, one: object, other: object) -> bool:
    pairs = zip(keys_of(name, part, one), keys_of(name, part, other), strict=True)
    return all(a.data_ptr() == b.data_ptr() for (_, a), (_, b) in pairs)


def begins_anew(subject: Subject) -> Problems:
    """A world that begins on a model that has stepped another one has the bits that it has on a fresh model."""
    model = _declared(subject)
    manager = light_manager(model)
    other = begin(model, manager, "other", prompt=OTHER, seed=7)
    other.step()
    other.step()
    for at, (expected, step) in enumerate(zip(subject.plain, _steps(begin(model, manager)), strict=False), 1):
        if what := difference(step, expected):
            yield (
                f"begun on a model that has stepped another world, step {at} has other {what} than on a fresh model.",
                "`reset` leaves nothing of the last world: counters, generators, buffers that are read before they are "
                "written, caches that follow from a prompt.",
            )
            return


def prompt_modes(subject: Subject) -> Problems:
    """A new prompt is taken up in each mode with the bits that it has after a restore, or refused (InvalidRequest)."""
    for mode in map(require_mode, PROMPT_MODES):
        model = _declared(subject)
        manager = light_manager(model)
        session = begin(model, manager)
        heads = [str(session.step().checkpoint_id) for _ in range(max(2, subject.steps - 3))]
        session.prompt, session.prompt_mode = OTHER, mode
        try:
            steps = [session.step(), session.step()]
        except InvalidRequest:
            continue
        fork = Session.from_checkpoint("fork", model, manager, heads[-1], prompt=OTHER, prompt_mode=mode)
        again = [fork.step(auto_checkpoint=False)]
        later = Session.from_checkpoint("later", model, manager, str(steps[0].checkpoint_id))
        again.append(later.step(auto_checkpoint=False))
        for what, when in zip(map(difference, again, steps), _TAKEN_UP, strict=True):
            if what:
                yield (
                    f"with a new prompt in mode {mode!r}, {when} has other {what} after a restore.",
                    "A step that rewrites old entries (a recache) changes the `epoch` scalar of the part; everything "
                    "that follows from the prompt is read anew where `prompt_mode` is not None, and after a restore.",
                )
                return


def _steps(session: Session) -> Iterator[StepResult]:
    while True:
        yield session.step()


def buffers(subject: Subject) -> Problems:
    """Of a rolling cache only what the counters say was written: what was captured is what the buffers hold."""
    model = _declared(subject)
    rolling = {name: part for name, part in model.parts.items() if part.kind == "rolling"}
    if not rolling:
        raise Skip("no part is declared rolling")
    session = begin(model)
    for step in range(1, subject.steps + 1):
        session.step()
        state, held = model.export_state(), session.snapshot.held
        for name, part in rolling.items():
            for key, buffer in keys_of(key_of(name, part), part, state[name]):
                for span in spans_of(part, session.snapshot.scalars):
                    there = buffer.narrow(part.axis or 0, span.at, part.unit)
                    if not torch.equal(held[segment_key(key, span.start)], there):
                        yield (
                            f"{name} holds other entries at place {span.at} after step {step} than its counters say: "
                            "an old entry was rewritten, or the buffer rolled otherwise than declared.",
                            "Name an `epoch` scalar and change it with every recache; check sink, ring and capacity.",
                        )
                        return


def aliases_nothing(subject: Subject) -> Problems:
    """No snapshot shares memory with a buffer that the model writes."""
    model = _declared(subject)
    session = begin(model)
    session.step()
    state = model.export_state()
    own = {
        tensor.untyped_storage().data_ptr()
        for name, part in model.parts.items() if part.kind in BUFFERS
        for _, tensor in keys_of(name, part, state[name])
    }  # fmt: skip
    for name, tensor in session.snapshot.held.items():
        if tensor.untyped_storage().data_ptr() in own:
            yield f"{name} of a snapshot lies in a buffer of the model.", "Declare what shares a buffer as in_place."
            return


def stores_what_is_new(subject: Subject) -> Problems:
    """Of full caches a step stores what it wrote, and a checkpoint costs the same at every depth."""
    model = _declared(subject)
    rolling = {name: part for name, part in model.parts.items() if part.kind == "rolling"}
    manager = light_manager(model)
    session = begin(model, manager)
    manifests = []
    for _ in range(subject.steps):
        session.step()
        manager.store.flush()
        manifests.append(manager.store.manifest(str(session.head)))
    last, scalars = manifests[-1], session.snapshot.scalars
    before = manager.load_meta(str(session.snapshot.parent_checkpoint_id))["scalars"]
    new = sum(piece.length for record, piece in last.own_parts() if is_rebuildable(record.name))
    wrote = sum(_bytes_written(model, name, part, scalars, before) for name, part in rolling.items())
    grown = [kind for kind, part in model.parts.items() if part.kind in ("appended", "in_place") and part.is_cache]
    if rolling and not grown and new > 1.05 * wrote:
        yield (
            f"a step stored {new} bytes of caches and wrote {wrote}.",
            "State a `unit` that is never cut when the buffer rolls: it divides the block, the sink and the rest.",
        )
    if not grown and _size(manifests[-1]) > 1.05 * _size(manifests[-2]) and _is_full(rolling, before):
        yield (
            f"a checkpoint grew from {_size(manifests[-2])} to {_size(manifests[-1])} bytes with its caches full.",
            "Keep the latents and inputs of a window, not of the whole world.",
        )


def streams(subject: Subject) -> Problems:
    """What a step shows before it is done is what it gives, once and in order; that somebody looks changes no bit."""
    model = _declared(subject)
    if not model.abilities.streams:
        raise Skip("abilities.streams is False")
    session = begin(model)
    for at, expected in enumerate(subject.plain, 1):
        shown: list[np.ndarray] = []
        try:
            step = session.step(auto_checkpoint=False, on_frames=partial(_note, shown))
        except ModelError as error:
            yield f"step {at}: {error.message}", error.what_to_do
            return
        if what := difference(step, expected):
            yield (
                f"step {at} has other {what} when its pictures are shown.",
                "Show what there is; compute nothing anew.",
            )
            return
        if not shown:
            yield (
                f"step {at} showed nothing, against `abilities.streams`.",
                "Call `given.hand_on(frames)` as soon as they are decoded, or set the ability False.",
            )
            return


def _note(shown: list[np.ndarray], frames: np.ndarray, at: int) -> None:
    shown.append(frames)


def step_shapes(subject: Subject) -> Problems:
    """Steps go on from the text alone where a model needs no picture; actions have limits, and are followed or not as
    it says; nothing is anchored anew."""
    model = _declared(subject)
    if model.geometry.window:
        yield "`geometry.window` is not 0, but a declared model's windows never end.", "Set it to 0."
    if not model.abilities.needs_picture:
        session = Session("text", model, light_manager(model), PROMPT)
        session.step()
        session.step()
        if session.to_dict()["window_start"] != 0:
            yield "a window was anchored anew.", "Keep the state of the world in the declared parts."
    if model.geometry.action_dim:
        yield from _acts(subject)
    else:
        try:
            begin(subject.make()).step(np.zeros((1, 1)))
            yield "a step took an action, but `geometry.action_dim` is 0.", "State the actions that a step takes."
        except InvalidRequest:
            pass


def _acts(subject: Subject) -> Iterator[tuple[str, str]]:
    model = _declared(subject)
    g = model.geometry
    low = np.broadcast_to(np.asarray(g.action_low or -1.0, np.float32), (g.action_horizon, g.action_dim))
    high = np.broadcast_to(np.asarray(g.action_high or 1.0, np.float32), (g.action_horizon, g.action_dim))
    try:
        steps = [begin(subject.make()).step(action) for action in (low, high)]
    except ArcFabricError as error:
        yield f"an action at the limits is refused: {error.message}", "State limits that are allowed themselves."
        return
    followed = bool(difference(steps[0], steps[1]))
    if followed != model.abilities.steers_with_actions:
        says = "followed" if followed else "without effect"
        yield f"actions are {says}, against `abilities.steers_with_actions`.", "Say what the model does with actions."
    if g.controls:
        try:
            begin(subject.make()).step(high + 1)
            yield "an action beyond the limits was taken.", "Leave the check to the session."
        except InvalidRequest:
            pass


def _declared(subject: Subject) -> DeclaredModel:
    model = subject.make()
    if not is_declared(model):
        raise Skip("the model has DreamZero's surface")
    return model


def _bytes_written(model: DeclaredModel, name: str, part: Part, scalars: object, before: object) -> int:
    now, then = (dict(facts)[part.written] for facts in (scalars, before))  # type: ignore[call-overload]
    tensors = [tensor for _, tensor in keys_of(name, part, model.export_state()[name])]
    return sum(tensor.nbytes // tensor.shape[part.axis or 0] * (now - then) for tensor in tensors)


def _is_full(rolling: dict[str, Part], scalars: dict[str, int]) -> bool:
    return all(scalars[part.written] >= (part.capacity or 0) for part in rolling.values())


def _size(manifest: Manifest) -> int:
    return sum(record.nbytes for record in manifest.tensors.values())


DECLARED: tuple[Callable[[Subject], Problems], ...] = (
    declaration, buffers, aliases_nothing, stores_what_is_new, step_shapes, streams, begins_anew, prompt_modes,
)  # fmt: skip
