"""Measures under given actions: does the model know what they do, and does it know it from its KV?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.evaluate.cases import Case, HeldOut
from arc_fabric.models.tabletop.evaluate.dreams import (
    Dreamer,
    Model,
    Simulator,
    kv_cut,
    kv_of_others,
    kv_of_others_own_block,
    kv_random,
    kv_zeroed,
)
from arc_fabric.models.tabletop.evaluate.row import Row, average, figure, percent, rate, ratio
from arc_fabric.models.tabletop.world.episodes import Chance, replay
from arc_fabric.models.tabletop.world.experts import done
from arc_fabric.models.tabletop.world.scene import KIND_BY_NAME

ALL = ("pick", "left", "right", "away")
BACK = 2.0
"""Pixels from where a hidden thing was within which it has come back."""
LAST = 8
"""The last frames of a window: those that are made right after its past was replaced."""


def reader(_: Model, held: HeldOut) -> list[Row]:
    """How well the judge itself sees: on the simulator's frames, against the simulator's state."""
    errors, agree = [], []
    for case in held.cases(0, ALL[:3]):
        episode, name = case.episode, case.task.target
        index = case.names.index(name)
        frames = episode.frames()[::8]
        whole = episode.shown()[::8, list(KIND_BY_NAME).index(name)] >= 0.98
        for frame, (x, y, z), clear in zip(frames, episode.bodies[::8, index], whole, strict=True):
            blob = judge.read(frame)[name]
            middle = y - z - 0.5 - KIND_BY_NAME[name].height / 2
            errors += [float(np.hypot(blob.x + 0.5 - x, blob.row - middle))] if clear else []
        agree.append(judge.reached(frames, case.task) == done(episode.last, case.task))
    return [figure("colour reader: its own error", [errors], "px", 1.0, {"agrees on success, %": percent(agree)})]


def reconstruction(dreamer: Model, held: HeldOut) -> list[Row]:
    """Real video, encoded and decoded."""
    model, values = dreamer.model, []
    for case in held.cases(1, ALL):
        frames = case.episode.frames()
        with torch.inference_mode():
            latents = model.action_head.vae.encode(torch.from_numpy(frames)[None])
        values.append(judge.psnr(model.decode(latents), frames))
    return [figure("VAE reconstruction PSNR", [values], "dB", 33, at_least=True)]


def steered(dreamer: Model, held: HeldOut) -> list[Row]:
    """32 frames under an expert's actions, of scenes in which the thing moves."""
    cases = held.cases(2, ALL[:3], frames=33, wanted=_moves)
    gripper, thing = _errors(dreamer.imagine(cases, 4, given=True), cases)
    still_gripper, still = _errors(np.stack([case.episode.frames()[:1].repeat(33, 0) for case in cases]), cases)
    other_gripper, other = _errors(Simulator().imagine(cases, 4, given=True), cases)
    beside = {"last frame repeated": average(still_gripper), "simulator with other chance": average(other_gripper)}
    beside_thing = {
        "px": average(thing),
        "last frame repeated, px": average(still),
        "simulator with other chance": average(other) / average(still),
    }
    return [
        figure("given actions, 32 frames: gripper error", [gripper], "px", 1.5, beside),
        figure(
            "given actions, 32 frames: object error / a still frame's",
            [thing, still],
            "",
            1 / 3,
            beside_thing,
            of=ratio,
        ),
    ]


def _moves(case: Case) -> bool:
    track = case.episode.bodies[:, case.names.index(case.task.target)]
    return bool(np.abs(track - track[0]).max() > 3)


def _errors(video: np.ndarray, cases: Sequence[Case], frames: slice = slice(1, 33)) -> tuple[list[float], list[float]]:
    """Mean distance of gripper and task's object, per case, between the video and what happened."""
    gripper: list[float] = []
    thing: list[float] = []
    for clip, case in zip(video, cases, strict=True):
        pairs = [
            (judge.read(a), judge.read(b)) for a, b in zip(clip[frames], case.episode.frames()[frames], strict=True)
        ]
        for name, errors in ((judge.GRIPPER, gripper), (case.task.target, thing)):
            errors.append(average(a[name].distance(b[name]) for a, b in pairs))
    return gripper, thing


def sharpness(dreamer: Model, held: HeldOut) -> list[Row]:
    """PSNR of 16 frames against the simulator, where nothing happens by chance."""
    cases = held.cases(3, ALL, frames=17, wanted=_certain)
    true = [case.episode.frames() for case in cases]
    clips = dreamer.imagine(cases, 2, given=True)
    hollow = Model.without_heads(dreamer.path).imagine(cases, 2, given=True)
    values, still, empty = (
        [judge.psnr(clip[1:], frames[1:]) for clip, frames in zip(video, true, strict=True)]
        for video in (clips, [frames[:1].repeat(17, 0) for frames in true], hollow)
    )
    beside = {"last frame repeated": average(still), "transformer's heads zeroed": average(empty)}
    return [figure("given actions, 16 frames: PSNR", [values], "dB", 26, beside, at_least=True)]


def _certain(case: Case) -> bool:
    """Without chance the same happens."""
    again = replay(case.scene, case.episode.actions, Chance())
    return bool(np.abs(again.bodies - case.episode.bodies).max() < 0.05)


def ablation(dreamer: Model, held: HeldOut) -> list[Row]:
    """Errors in a window's last 8 frames when its past is that of another session, against its own."""
    cases = held.cases(2, ALL[:3], frames=33, wanted=_moves)
    last = slice(-LAST, None)
    own = _errors(dreamer.imagine(cases, 4, given=True), cases, last)
    dreamers: dict[str, Dreamer] = {
        "KV of others": Model(dreamer.model, dreamer.path, kv_of_others),
        "KV of others, own last block": Model(dreamer.model, dreamer.path, kv_of_others_own_block),
        "KV random": Model(dreamer.model, dreamer.path, kv_random),
        "KV zeroed": Model(dreamer.model, dreamer.path, kv_zeroed),
        "KV cut to the last block": Model(dreamer.model, dreamer.path, kv_cut),
        "transformer's heads zeroed": Model.without_heads(dreamer.path),
    }
    found = {name: _errors(one.imagine(cases, 4, given=True), cases, last) for name, one in dreamers.items()}
    rows = []
    for n, what in enumerate(("gripper", "object")):
        beside = {"its own, px": average(own[n])} | {f"{name}, px": average(e[n]) for name, e in found.items()}
        title = f"ablation: {what} error with another session's KV / with its own"
        rows.append(figure(title, [found["KV of others"][n], own[n]], "x", 5, beside, at_least=True, of=ratio))
    return rows


def memory(dreamer: Model, held: HeldOut) -> list[Row]:
    """A thing that was wholly hidden is where it was."""
    rows = []
    for salt, shoved in ((40, False), (41, True)):
        cases = held.hidings(salt, shoved)
        clips = dreamer.imagine(cases, 4, given=True)
        cut = Model(dreamer.model, dreamer.path, kv_cut).imagine(cases, 4, given=True)
        beside = {
            "KV cut to the last block": percent(_back(cut, cases)),
            "simulator with other chance": percent(_back(Simulator().imagine(cases, 4, given=True), cases)),
            "hidden in the model's picture": percent(_hidden(c, x) for c, x in zip(clips, cases, strict=True)),
        }
        title = f"memory: a hidden thing{', shoved before,' if shoved else ''} comes back where it was"
        rows.append(rate(title, _back(clips, cases), 85, beside))
    return rows


def _back(video: np.ndarray, cases: Sequence[Case]) -> list[bool]:
    """Whether the thing that was hidden is within BACK of where it is, and whole, in the last frame."""
    hits = []
    for clip, case in zip(video, cases, strict=True):
        seen, true = (judge.read(frames[-1])[case.task.target] for frames in (clip, case.episode.frames()[-1:]))
        hits.append(seen.distance(true) <= BACK and seen.area >= true.area / 2)
    return hits


def _hidden(clip: np.ndarray, case: Case) -> bool:
    """Whether the thing is hidden, but for a tenth of it, in four frames of the third block at least."""
    whole = judge.read(clip[0])[case.task.target].area
    return sum(blob.area <= whole / 10 for blob in judge.track(clip[17:25], case.task.target)) >= 4
