"""Model steps of a job: take one, show it, commit it, look whether others wait.

The task thread computes; a second thread encodes the frames, shows them and commits, while the next step of the same
job is being computed already. Commits stay in order: the next one is begun only after the last one was accepted.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import numpy as np

from arc_fabric.base.threads import told
from arc_fabric.media.frames import STRIP
from arc_fabric.session import Session
from arc_fabric.steps.result import StepResult
from workers.jobs.commits import Commits, encode, node_of, should_give_way
from workers.jobs.publish import EarlyFrames
from workers.jobs.run import GivesWay, JobRun
from workers.process.retry import through_store_outages


def take_steps(run: JobRun, total: int, result: dict[str, Any]) -> None:
    """Steps `done`..`total` of the job, each committed; ends the job with `result` and the list of its steps."""
    try:
        _take_each(run, total, result)
    finally:
        run.process.gil_turns.open()


def _take_each(run: JobRun, total: int, result: dict[str, Any]) -> None:
    _take_up_inputs(run)
    session = run.at_head()
    done, parent = run.job.progress["done"], run.session.head
    line = Commits(run)
    if run.job.bulk and should_give_way(run):  # who came while the state was loaded does not wait for a step as well
        raise GivesWay
    while done < total:
        done += 1
        strip: Future[bytes] = Future()
        early = EarlyFrames(run, session.frame_index + 1, session.model.geometry.frames_per_step)
        try:
            taken = _compute(run, session, done, strip, early, more=done < total)
        except BaseException:
            early.drop()
            line.wait()  # what was computed before counts
            raise
        node = node_of(run, session, taken, parent, _observed_of(run, done))
        parent = node.id
        line.add(taken, node, strip, result if done == total else None, early)
        if done < total and line.told_to_give_way():
            line.wait()
            raise GivesWay
    line.wait()


def _take_up_inputs(run: JobRun) -> None:
    """A prompt, a seed or settings that came with the job apply from its first step and stay with the session."""
    params = run.job.params
    if run.job.kind == "step":
        run.session.prompt = params["prompt"] if params.get("prompt") is not None else run.session.prompt
        run.session.seed = params["seed"] if params.get("seed") is not None else run.session.seed
        run.session.model_settings = params.get("model_settings", run.session.model_settings)


def _compute(
    run: JobRun, session: Session, number: int, strip: Future[bytes], early: EarlyFrames | None = None, *, more: bool
) -> StepResult:
    """The model call, and the handing over of its snapshot to the store (which awaits the strip by itself). With
    `more` steps to come, what follows it in other threads begins when the model computes again (see gil_turns.py)."""
    params = run.job.params
    action = params["actions"][number - 1] if params.get("actions") else None
    where = _observed_of(run, number)
    seen = None if where is None else run.payloads.read_observed(where)

    def attach(frames: np.ndarray) -> dict[str, Any]:
        run.process.step_began = None  # the model is done; waiting for the store's budget is no hanging step
        if more:
            run.process.gil_turns.close()
        told(run.process.side, encode, run, frames, strip)
        return {STRIP: strip.result}

    def take() -> StepResult:
        run.process.step_began = time.monotonic()
        try:
            return session.step(action, params.get("state"), observed=seen, attachments=attach, on_frames=early)
        finally:
            run.process.step_began = None

    with run.timed("step_s"):
        return through_store_outages(take)  # its KV may have to be read first; nothing has happened when that fails


def _observed_of(run: JobRun, number: int) -> str | None:
    """Where the real frames given for a step lie; None where none were given."""
    given = run.job.params.get("observed")
    return given[number - 1] if given else None
