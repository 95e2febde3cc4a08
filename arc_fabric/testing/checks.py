"""The promises of the contract, one function each: it yields (what is wrong, how to mend it) for what is not kept.

A function that does not apply to a model raises Skip, saying why.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import numpy as np
import torch

from arc_fabric.errors import KVRebuildMismatch, StateOverwritten
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import WorldModel, is_declared
from arc_fabric.session import Session
from arc_fabric.store import SnapshotStore
from arc_fabric.testing.run import OTHER, PROMPT, Subject, begin, difference, light_manager, step_failing

Problems = Iterator[tuple[str, str]]
_WHERE = {
    True: "a declared part that `export_state` gives and `load_state` takes over",
    False: "on `action_head` (KV lists, clip_feas, ys, language, current_start_frame, seed)",
}
_SEEDED = (
    "Draw noise from a torch.Generator made in the call from the seed, or a declared one, not from a global one "
    "(torch, numpy, random); keep nothing on a class or a module, which all models of a process share; read no clock."
)


def _hidden(subject: Subject) -> str:
    return (
        f"Everything that a later step reads must be {_WHERE[is_declared(subject.model)]}: look for counters, caches "
        "and generators that are kept elsewhere, or not taken back."
    )


_REBUILD = {
    True: "Read the latents of every step as `step` reads its own, in order, each under its own prompt (`past.given`), "
    "on a state that is reset where a step `begins`.",
    False: "Prefill the same chunks as the step path, each under its own prompt (`blocks[i].prompt`), in one order.",
}


class Skip(Exception):
    """The check does not apply."""


def shapes(subject: Subject) -> Problems:
    """What calls return has the sizes that `geometry` states, and is finite."""
    g, model = subject.model.geometry, subject.model
    block: tuple[int, ...] = (1, g.latents_per_block, g.latent_channels, g.latent_height, g.latent_width)
    picture = (g.frames_per_step, g.image_height, g.image_width, 3)
    for at, step in enumerate(subject.plain, 1):
        acts = (g.action_horizon, g.action_dim) if step.action_source else (0, 0)
        block = block if step.step_latents.dim() > 1 or not is_declared(model) else (0,)
        for what, got, expected in (("latents [B, K, C, h, w]", tuple(step.step_latents.shape), block),
                                    ("frames [F, H, W, 3]", step.frames.shape, picture),
                                    ("actions", step.actions.shape, acts)):  # fmt: skip
            if got != expected:
                yield (
                    f"step {at} has {what} of shape {list(got)}; `geometry` says {list(expected)}.",
                    ("Correct `geometry`, or what the call and `decode` return."),
                )
                return
    fitted = model.fit_image(np.zeros((50, 70, 3), np.uint8))
    if fitted.shape != picture[1:] or fitted.dtype != np.uint8:
        yield f"fit_image gave {fitted.dtype} {list(fitted.shape)}.", f"Return uint8 {list(picture[1:])}."


def repeats(subject: Subject) -> Problems:
    """The same call on the same state has the same bits."""
    session = begin(subject.make())
    for at, expected in enumerate(subject.plain, 1):
        if what := difference(session.step(auto_checkpoint=False), expected):
            yield f"two runs with one seed differ in their {what} at step {at}.", _SEEDED
            return


def global_random_state(subject: Subject) -> Problems:
    """A call leaves the global random states of torch, numpy and Python alone: they are in no snapshot."""
    session = begin(subject.make())
    before = _random_states()
    session.step(auto_checkpoint=False)
    for name, state in _random_states().items():
        if state != before[name]:
            yield f"a step draws from the global random state of {name}, which no snapshot holds.", _SEEDED


def _random_states() -> dict[str, object]:
    numpy_state = np.random.get_state(legacy=False)["state"]
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (numpy_state["key"].tobytes(), numpy_state["pos"]),
        "Python (random)": random.getstate(),
    }


def writes_in_place(subject: Subject) -> Problems:
    """What was captured stays as it is, over all later calls."""
    session = begin(subject.make(), prompt=PROMPT)
    kept = []
    try:
        for _ in range(subject.steps):
            session.step()
            kept.append(session.snapshot)
        for snapshot in kept:
            snapshot.require_unwritten()
    except StateOverwritten as error:
        yield (
            error.message,
            "Replace tensors (torch.cat, a new tensor), or clone what you hand out; never write into them.",
        )


def restores(subject: Subject) -> Problems:
    """Restore, then step, equals the uninterrupted step: at every step, on this model and on a fresh one."""
    model = subject.make()
    manager = light_manager(model)
    session = begin(model, manager)
    ids = [session.head, *(session.step().checkpoint_id for _ in range(subject.steps - 1))]
    other = subject.make()
    elsewhere = StateManager(other, max_checkpoints=1, store=manager.store, resident_bytes=0)
    for on, keeper in ((model, manager), (other, elsewhere)):
        for at in reversed(range(subject.steps)):
            fork = Session.from_checkpoint("fork", on, keeper, str(ids[at]))
            if what := difference(fork.step(auto_checkpoint=False), subject.plain[at]):
                where = "" if on is model else " on a fresh model"
                mend = _hidden(subject) if at else f"`reset` leaves nothing of the last world. {_hidden(subject)}"
                yield f"restored at step {at}{where}, the next step has other {what} than without a restore.", mend
                return


def interleaves(subject: Subject) -> Problems:
    """Two worlds on one model do not disturb each other."""
    model = subject.make()
    manager = StateManager(model)
    ours, theirs = begin(model, manager, "a"), begin(model, manager, "b", prompt=OTHER, seed=7)
    for at, expected in enumerate(subject.plain, 1):
        if what := difference(ours.step(), expected):
            yield f"stepped in turns with another world, step {at} has other {what} than alone.", _hidden(subject)
            return
        theirs.step()


def settings(subject: Subject) -> Problems:
    """Settings per session decide the steps of their own session alone, with the same bits after a restore."""
    declared = subject.model.abilities.settings
    if not declared:
        raise Skip("abilities.settings is empty")
    model = subject.make()
    manager = light_manager(model)
    for setting in declared:
        other = setting.high if setting.high != setting.default else setting.low
        if setting.kind == "discrete":
            other = setting.default + (1 if other > setting.default else -1)
        ours = begin(model, manager, "ours", model_settings={setting.name: other})
        theirs, first = begin(model, manager, "theirs"), ours.step()
        for at in range(2):
            if what := difference(theirs.step(), subject.plain[at]):
                yield (
                    f"beside a world with {setting.name} = {other:g}, a world without has other {what}.",
                    "Read the settings in every call; what is not named is as it is by default.",
                )
                return
        fork = Session.from_checkpoint("fork", model, manager, str(first.checkpoint_id))
        if what := difference(ours.step(), fork.step()):
            yield f"with {setting.name} = {other:g} the next step has other {what} after a restore.", _hidden(subject)
            return


def survives_failure(subject: Subject) -> Problems:
    """A call that fails anywhere is undone by a restore: the retry has the bits of a run without the failure."""
    session = begin(subject.make())
    session.step()
    calls = step_failing(session, None)
    for share in (0.1, 0.5, 0.9):
        session = begin(subject.make())
        session.step()
        step_failing(session, max(1, int(calls * share)))
        if what := difference(session.step(), subject.plain[1]):
            yield (
                f"after a call that failed at {share:.0%} of its work, the retry has other {what}.",
                ("Set nothing beside the state before the call has succeeded. " + _hidden(subject)),
            )
            return


def rebuilds(subject: Subject) -> Problems:
    """`rebuild_kv`, or `rebuild`, gives the KV bit for bit, also after a prompt change."""
    world = is_declared(subject.model)
    if not (subject.model.abilities.rebuilds_world if world else subject.model.abilities.rebuilds_kv):
        raise Skip(f"abilities.rebuilds_{'world' if world else 'kv'} is False")
    for changed in (False, True):
        model = subject.make()
        manager = light_manager(model, "light")
        session = begin(model, manager)
        session.step()
        session.prompt = OTHER if changed else PROMPT
        second, third = session.step(), session.step()
        manager.store.flush()
        fresh = subject.make()
        keeper = StateManager(fresh, store=SnapshotStore(manager.store.backend))
        fork = Session.from_checkpoint("fork", fresh, keeper, str(second.checkpoint_id))
        when = " after a prompt change" if changed else ""
        mend = _REBUILD[world]
        try:
            what = difference(fork.step(), third)
        except KVRebuildMismatch as error:
            yield f"{error.message}{when and ' (' + when.strip() + ')'}", mend
            return
        if what:
            yield f"a step on a rebuilt KV has other {what}{when}.", mend
            return


def batches(subject: Subject) -> Problems:
    """A row of a batch is what its step is alone, where the model says so."""
    abilities = subject.model.abilities
    if not abilities.batches:
        if abilities.batch_bit_exact:
            yield "abilities say batch_bit_exact without batches.", "Set both, or neither."
        raise Skip("abilities.batches is False")
    frames = [begin(subject.make()).snapshot.frames.numpy()] * 2  # type: ignore[union-attr]
    model = _windowed(subject)
    inputs = [model.make_inputs(frame, prompt) for frame, prompt in zip(frames, (PROMPT, OTHER), strict=True)]
    alone = [_windowed(subject).lazy_joint_video_action_causal(one)["video_pred"] for one in inputs]
    both = {name: torch.cat([one[name] for one in inputs]) for name in inputs[0]}
    together = _windowed(subject)
    together.action_head.seed = [together.action_head.seed] * 2
    try:
        rows = together.lazy_joint_video_action_causal(both)["video_pred"]
    except Exception as error:  # noqa: BLE001  (of the model under test: it is the finding)
        yield f"a batch of two fails: {type(error).__name__}: {error}", "Set abilities.batches False."
        return
    if rows.shape[0] != 2 or (abilities.batch_bit_exact and not all(map(torch.equal, rows.split(1), alone))):
        yield (
            "a batch of two has other bits than the two steps alone.",
            "Set abilities.batch_bit_exact (or batches) False.",
        )


def identity(subject: Subject) -> Problems:
    """It is the same for the same model, whatever it has done, and another one for another model."""
    model = subject.make()
    before, again = model.identity(), subject.make().identity()
    try:
        json.dumps(before.to_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"the identity is not JSON: {error}.", "Use texts, numbers, lists and dicts of them."
        return
    begin(model).step()
    if before.digest() != again.digest() or before.digest() != model.identity().digest():
        yield (
            "the identity of one model changes from load to load, or by stepping.",
            ("Leave out times, ids, counters and addresses; compute it once."),
        )
    for other in subject.others:
        if other().identity().digest() == before.digest():
            yield (
                "a model with other weights or settings has the same identity.",
                ("Put a digest of the weights, and every setting that can change a bit, into ModelIdentity."),
            )


def decodes(subject: Subject) -> Problems:
    """`decode` is a function of its arguments: it changes nothing, and gives the same frames again."""
    if is_declared(subject.model):
        raise Skip("a declared model's step gives its frames")
    model = _windowed(subject)
    session = begin(model)
    session.step(auto_checkpoint=False)
    latents = session.snapshot.latent_video.transpose(1, 2).contiguous().to(model.device)  # type: ignore[union-attr]
    before = latents.clone()
    first, second = model.decode(latents, 1), model.decode(latents, 1)
    if not np.array_equal(first, second) or not torch.equal(latents, before):
        yield (
            "decode gives other frames when it is called again, or writes into its latents.",
            ("Keep no state between calls of `decode`, and clone what you change."),
        )
    if not np.array_equal(model.decode(latents, 0)[-len(first):], first):  # fmt: skip
        yield (
            "decode(latents, 1) is not the end of decode(latents, 0).",
            "Decode the whole prefix and cut it, or keep none.",
        )


def sharing(subject: Subject) -> Problems:
    """A step stores what it added to the caches, not the whole of them again."""
    model = subject.make()
    if is_declared(model):
        raise Skip("`stores what is new` looks at a declared model's caches")
    manager = light_manager(model)
    session = begin(model, manager)
    for _ in range(min(subject.steps, max(3, model.geometry.steps_per_window))):
        session.step()
    manager.store.flush()
    before, last = (manager.store.manifest(session.trajectory.checkpoint_at(session.frame_index - n)) for n in (1, 0))
    for name, record in last.tensors.items():
        old = before.tensors.get(name)
        if record.axis is None or not name.startswith("kv_cache") or old is None or old.shape == record.shape:
            continue
        new = sum(piece.length for piece in record.pieces if piece.checkpoint == last.checkpoint_id)
        grown = record.nbytes - old.nbytes
        if grown > 0 and new > 1.05 * grown:
            yield (
                f"{name} grew by {grown} bytes in a step that stored {new} of it: older entries changed.",
                ("Keep the keys and values of earlier blocks as they are; append on axis 2 in whole latent frames."),
            )
            return


def _windowed(subject: Subject) -> WorldModel:
    model = subject.make()
    assert not is_declared(model)
    return model


ALL: tuple[Callable[[Subject], Problems], ...] = (
    shapes, repeats, global_random_state, writes_in_place, restores, interleaves, settings, survives_failure, rebuilds,
    batches, identity, decodes, sharing,
)  # fmt: skip
