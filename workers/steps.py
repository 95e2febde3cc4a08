"""Model steps of a job: take one, show it, commit it, look whether others wait."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from arc_fabric.ids import new_id
from arc_fabric.ledger import NodeRecord
from arc_fabric.media.frames import pack_strip
from arc_fabric.session import Session, StepResult
from workers.payloads import STRIP, digest_of
from workers.publish import send_live
from workers.run import GivesWay, JobRun, NotOurs


def take_steps(run: JobRun, total: int, result: dict[str, Any]) -> None:
    """Steps `done`..`total` of the job, each committed; ends the job with `result` and the list of its steps."""
    _take_up_inputs(run)
    done = run.job.progress["done"]
    while done < total:
        done += 1
        waiting = _one_step(run, done, total, result)
        if done < total and (waiting or run.process.stopping.is_set()):
            raise GivesWay


def _take_up_inputs(run: JobRun) -> None:
    """A prompt or seed that came with the job applies from its first step and stays with the session."""
    params = run.job.params
    if run.job.kind == "step":
        run.session.prompt = params["prompt"] if params.get("prompt") is not None else run.session.prompt
        run.session.seed = params["seed"] if params.get("seed") is not None else run.session.seed


def _one_step(run: JobRun, number: int, total: int, result: dict[str, Any]) -> int:
    session = run.head()
    params, checkpoint_id = run.job.params, new_id("ckp")
    action = params["actions"][number - 1] if params.get("actions") else None
    strip: list[bytes] = []

    def attach(frames: np.ndarray) -> dict[str, bytes]:
        strip.append(pack_strip(frames))
        return {STRIP: strip[0]}

    run.process.step_began = time.monotonic()
    try:
        with run.timed("step_s"):
            taken = session.step(action, params.get("state"), checkpoint_id=checkpoint_id, attachments=attach)
    finally:
        run.process.step_began = None
    with run.timed("publish_s"):
        run.process.ledger.keep_framestrip(checkpoint_id, strip[0])
        first = 1 + len(taken.frames) * (taken.frame_index - 1)
        send_live(run.process.ledger, run.session.id, taken.frames, first)
    try:
        return _commit(run, session, taken, last=number == total, result=result)
    except NotOurs:
        run.process.reporter.forget(run.runtime.store, checkpoint_id)
        raise


def _commit(run: JobRun, session: Session, taken: StepResult, *, last: bool, result: dict[str, Any]) -> int:
    node = _node(run, session, taken)
    facts = {
        "checkpoint_id": node.id,
        "frame_index": node.frame_index,
        "wall_s": node.wall_s,
        "bytes_new": node.bytes_new,
        "action_source": node.action_source,
    }
    changes = {
        "head": node.id,
        "frame_index": node.frame_index,
        "n_frames": 1 + len(taken.frames) * node.frame_index,
        "prompt": run.session.prompt,
        "seed": session.seed,
    }
    with run.timed("commit_s"):
        waiting = run.commit(
            node=node, changes=changes, step=facts, final="succeeded" if last else None,
            result=result | {"head": node.id, "frame_index": node.frame_index} if last else None,
        )  # fmt: skip
    run.process.steps_done += 1
    return waiting


def _node(run: JobRun, session: Session, taken: StepResult) -> NodeRecord:
    info = run.runtime.manager.info(taken.checkpoint_id)
    snapshot = session.snapshot
    return NodeRecord(
        id=taken.checkpoint_id,
        parent=run.session.head,
        session_id=run.session.id,
        tree_id=run.session.tree_id,
        frame_index=taken.frame_index,
        prompt=snapshot.prompt_text,
        seed=snapshot.seed,
        prompt_mode=taken.prompt_mode or "keep",
        action_source=taken.action_source,
        actions=taken.actions.tolist(),
        state=snapshot.state,
        bytes_new=taken.bytes_new,
        bytes_total=info.bytes_total if info else 0,
        wall_s=round(taken.wall_s, 6),
        job_id=run.job.id,
        worker=run.process.name,
        window_start=snapshot.window_start,
        n_frames=len(taken.frames),
        internal={"_digest": digest_of(taken.latents), "_mode": session.prompt_mode},
    )
