"""Measures under prompts: does the model do what it is asked, in its own pictures and in the simulator?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.evaluate.cases import SKILLS, STEPS, Case, HeldOut
from arc_fabric.models.tabletop.evaluate.dreams import Dreamer, Model, Simulator, act, kv_zeroed
from arc_fabric.models.tabletop.evaluate.given import ALL
from arc_fabric.models.tabletop.evaluate.row import Row, average, figure, percent, rate
from arc_fabric.models.tabletop.samples import sample_names, sample_state, samples
from arc_fabric.models.tabletop.world.episodes import Chance, record, replay
from arc_fabric.models.tabletop.world.experts import Task, done, sensible
from arc_fabric.models.tabletop.world.language import phrase

LONG = 200
"""Model steps of a long rollout."""
JUMP = 7.0
"""Pixels by which the gripper moves between frames if it jumps (with its opening, at most 4 and some)."""
APART = 2.0
"""Pixels by which something differs if two pictures differ visibly."""
REPLAYS = 4
"""Runs of the simulator for every run of the model, so that its rate is the better known."""


def _share(video: np.ndarray, cases: Sequence[Case]) -> list[bool]:
    return [judge.succeeded(clip, case.task) for clip, case in zip(video, cases, strict=True)]


def cup(dreamer: Model, held: HeldOut) -> list[Row]:
    """ "pick up the red cup" and "push the cup to the left", read off the model's own pictures."""
    rows, few = [], max(4, held.n // 4)
    for salt, verb, prompt in ((4, "pick", "pick up the red cup"), (5, "left", "push the cup to the left")):
        cases = held.cases(salt, (verb,), "red cup")
        cases = [replace(case, prompt=prompt) for case in cases]
        hits = _share(dreamer.imagine(cases, STEPS, seed=held.seed), cases)
        some = cases[:few]
        beside = {
            "simulator's expert": Simulator().imagine(cases, STEPS, seed=7),
            "KV zeroed": Model(dreamer.model, dreamer.path, kv_zeroed, always=True).imagine(some, STEPS),
            "transformer's heads zeroed": Model.without_heads(dreamer.path).imagine(some, STEPS),
        }
        shares = {name: percent(_share(video, cases[: len(video)])) for name, video in beside.items()}
        rows.append(rate(f'"{prompt}"', hits, 90, shares))
    return rows


def right_object(dreamer: Dreamer, held: HeldOut) -> list[Row]:
    """The named object among four is moved as asked, and moved most; all prompts together, and the worst one."""
    half = HeldOut(held.seed, max(4, held.n // 2))
    rates: dict[str, list[bool]] = {}
    for salt, verb in enumerate(ALL):
        cases = half.cases(60 + salt, (verb,), others=3)
        for clip, case in zip(dreamer.imagine(cases, STEPS, seed=held.seed), cases, strict=True):
            hit = judge.succeeded(clip, case.task) and judge.farthest(clip, case.names) == case.task.target
            rates.setdefault(case.prompt, []).append(hit)
    shares = {prompt: percent(hits) for prompt, hits in rates.items()}
    worst = min(shares, key=lambda prompt: shares[prompt])
    return [
        rate("right object among several", [hit for hits in rates.values() for hit in hits], 85, shares),
        rate(f'right object, worst prompt ("{worst}")', rates[worst], 70),
    ]


def swapped(dreamer: Dreamer, held: HeldOut) -> list[Row]:
    """The same scene under two prompts: each outcome follows its prompt and not the other."""

    def other(case: Case) -> Task:
        return Task("left", "red cup") if case.scene.gripper.x < 32 else Task("right", case.names[1])

    cases = held.cases(7, ("pick",), "red cup", wanted=lambda case: sensible(case.scene, other(case)))
    good = np.ones(len(cases), bool)
    for first in (True, False):
        asked = [replace(c, task=c.task if first else other(c)) for c in cases]
        video = dreamer.imagine(asked, STEPS, seed=held.seed, prompts=[phrase(case.task) for case in asked])
        for n, (clip, case) in enumerate(zip(video, cases, strict=True)):
            tasks = (case.task, other(case)) if first else (other(case), case.task)
            good[n] &= judge.succeeded(clip, tasks[0]) and not judge.succeeded(clip, tasks[1])
    return [rate("prompts swapped: outcome follows the prompt", list(good), 90)]


def seeds(dreamer: Dreamer, held: HeldOut) -> list[Row]:
    """The same state and prompt, two seeds: both succeed and end in visibly different pictures."""
    cases = held.cases(8, ("pick", "left", "pick", "right"))
    beside: dict[str, float] = {}
    for name, one in (("simulator", Simulator()), ("model", dreamer)):
        a, b = (one.imagine(cases, STEPS, seed=seed) for seed in (11, 12))
        both = [x and y for x, y in zip(_share(a, cases), _share(b, cases), strict=True)]
        far = [judge.largest_difference(x[-1], y[-1], c.names) for x, y, c in zip(a, b, cases, strict=True)]
        hits = [ok and gap > APART for ok, gap in zip(both, far, strict=True)]
        beside[f"{name}: both succeed"], beside[f"{name}: median distance, px"] = percent(both), float(np.median(far))
        beside[f"{name}: differ and succeed"] = percent(hits)
    return [rate("seeds: pictures of two seeds differ visibly, both succeed", hits, 50, beside)]


def closed_loop(dreamer: Model, held: HeldOut) -> list[Row]:
    """Tasks done in the simulator by executing predicted actions, 8 at a time, seeing what comes of them."""
    cases = held.cases(10, ("pick", "left", "pick", "right"))
    ends = act(dreamer.model, cases, STEPS + 2, held.seed)
    hits = [done(end, case.task) for end, case in zip(ends, cases, strict=True)]
    verbs = np.array([case.task.verb for case in cases])
    parts = {str(verb): percent(np.array(hits)[verbs == verb]) for verb in dict.fromkeys(verbs)}
    return [rate("closed loop in the simulator", hits, 60, parts)]


def long_rollouts(dreamer: Dreamer, held: HeldOut) -> list[Row]:
    """200 steps (1,600 frames) on end: nothing jumps, and all things are there at the end."""
    few = HeldOut(held.seed, max(2, held.n // 5))
    cases = few.cases(9, ALL)
    smooth: list[bool] = []
    there: list[bool] = []
    truly: list[bool] = []
    for clip, case in zip(dreamer.imagine(cases, LONG, seed=held.seed), cases, strict=True):
        smooth.append(judge.largest_jump(clip) <= JUMP)
        there.append(_there(clip, case))
        end = record(case.scene, case.task, 1 + 8 * LONG, held.seed)
        truly.append(_there(np.stack([clip[0], replay(end.last, end.actions[:0], Chance()).frames()[0]]), case))
    part = percent(there) / max(percent(truly), 1e-9)
    beside = {"model, %": percent(there), "simulator's expert, %": percent(truly)}
    return [
        rate("200 steps: no jump", smooth, 100),
        Row("200 steps: all things there / in the simulator's", part, "", 0.85, True, few.n, None, beside),
    ]


def _there(clip: np.ndarray, case: Case) -> bool:
    """Whether every object and the gripper is whole, and not much hidden, in the last frame."""
    first, last = judge.read(clip[0]), judge.read(clip[-1])
    return all(judge.intact(first[name], last[name]) for name in (*case.names, judge.GRIPPER))


def calibration(dreamer: Dreamer, held: HeldOut) -> list[Row]:
    """Success rates of graded experts' actions in the model and in the simulator: four tasks, four skills."""
    few = HeldOut(held.seed, min(64, held.n))
    mine: list[float] = []
    true: list[float] = []
    beside: dict[str, float] = {}
    for task, name in enumerate(("pick the red cup", "pick any", "push left", "push right")):
        for skill in SKILLS:
            cases = few.graded(task, skill)
            video = dreamer.imagine(cases, STEPS, given=True, seed=held.seed)
            mine.append(average(judge.reached(clip, case.task) for clip, case in zip(video, cases, strict=True)))
            true.append(average(_runs(case, n) for n, case in enumerate(cases)))
            beside[f"{name}, {skill:g} px off: model"], beside[f"{name}, {skill:g} px off: simulator"] = (
                mine[-1],
                true[-1],
            )
    together: Callable[..., float] = lambda a, b: float(np.corrcoef(a, b)[0, 1])  # noqa: E731
    apart: Callable[..., float] = lambda a, b: float(np.abs(a - b).mean())  # noqa: E731
    return [
        figure("calibration: Pearson r", [mine, true], "", 0.9, beside, at_least=True, of=together),
        figure("calibration: mean absolute difference", [mine, true], "", 0.1, of=apart),
    ]


def _runs(case: Case, n: int) -> float:
    """The share of runs of the simulator, under the case's actions, in which the task is done."""
    chances = [Chance(np.random.default_rng((n, again))) for again in range(REPLAYS)]
    return average(done(replay(case.scene, case.episode.actions, c).last, case.task) for c in chances)


def speed(dreamer: Model, held: HeldOut) -> list[Row]:
    """Seconds per step with decoding, one session."""
    model, name, taken = dreamer.model, sample_names()[0], []
    model.exact_batches, model.action_head.seed = True, 0
    frames, latents = samples()[name][None], None
    for step in range(min(60, held.n)):
        started = time.perf_counter()
        state = sample_state(name) if step == 0 else None
        inputs = model.make_inputs(frames, "pick up the red cup", state=state)
        latents = model.lazy_joint_video_action_causal(inputs, latents)["video_pred"]
        new = latents[:, :, -2:]
        frames = model.decode(torch.cat([new[:, :, :1], new], 2), start=1)
        frames, latents = (frames[-1:], None) if step % 4 == 3 else (frames, latents)
        taken.append(time.perf_counter() - started)
    beside = {"p95": float(np.percentile(taken, 95))}
    return [Row("one step with decoding, p50", float(np.median(taken)), "s", 0.12, False, len(taken), None, beside)]
