"""Model steps of a job: take one, show it, commit it, look whether others wait.

The task thread computes; a second thread encodes the frames, shows them and commits, while the next step of the same
job is being computed already. Commits stay in order: the next one is begun only after the last one was accepted.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import numpy as np

from arc_fabric.base.frames import first_frame_of
from arc_fabric.base.present import present
from arc_fabric.base.threads import told
from arc_fabric.ledger import NodeRecord
from arc_fabric.media.frames import STRIP, pack_strip
from arc_fabric.session import Session, StepResult
from workers.jobs.payloads import digest_of
from workers.jobs.publish import send_live
from workers.jobs.run import GivesWay, JobRun, NotOurs
from workers.process.retry import through_outages, through_store_outages


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
    line = _Commits(run)
    if run.job.bulk and _should_give_way(run):  # who came while the state was loaded does not wait for a step as well
        raise GivesWay
    while done < total:
        done += 1
        strip: Future[bytes] = Future()
        try:
            taken = _compute(run, session, done, strip, more=done < total)
        except BaseException:
            line.wait()  # what was computed before counts
            raise
        node = _node(run, session, taken, parent, _observed_of(run, done))
        parent = node.id
        line.add(taken, node, strip, result if done == total else None)
        if done < total and line.told_to_give_way():
            line.wait()
            raise GivesWay
    line.wait()


def _take_up_inputs(run: JobRun) -> None:
    """A prompt or seed that came with the job applies from its first step and stays with the session."""
    params = run.job.params
    if run.job.kind == "step":
        run.session.prompt = params["prompt"] if params.get("prompt") is not None else run.session.prompt
        run.session.seed = params["seed"] if params.get("seed") is not None else run.session.seed


def _should_give_way(run: JobRun) -> bool:
    process = run.process
    return process.stopping.is_set() or process.ledger.execution.others_waiting(process.name, run.session.id)


def _compute(run: JobRun, session: Session, number: int, strip: Future[bytes], *, more: bool) -> StepResult:
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
        told(run.process.side, _encode, run, frames, strip)
        return {STRIP: strip.result}

    def take() -> StepResult:
        run.process.step_began = time.monotonic()
        try:
            return session.step(action, params.get("state"), observed=seen, attachments=attach)
        finally:
            run.process.step_began = None

    with run.timed("step_s"):
        return through_store_outages(take)  # its KV may have to be read first; nothing has happened when that fails


def _observed_of(run: JobRun, number: int) -> str | None:
    """Where the real frames given for a step lie; None where none were given."""
    given = run.job.params.get("observed")
    return given[number - 1] if given else None


def _encode(run: JobRun, frames: np.ndarray, strip: Future[bytes]) -> None:
    run.process.gil_turns.wait()
    try:
        strip.set_result(pack_strip(frames))
    except BaseException as error:  # noqa: BLE001 - whoever waits for the strip raises it
        strip.set_exception(error)


class _Commits:
    """The commits of one job, one at a time, in the process's side thread."""

    def __init__(self, run: JobRun) -> None:
        self._run = run
        self._last: Future[None] | None = None
        self._others_waited = False

    def add(self, taken: StepResult, node: NodeRecord, strip: Future[bytes], result: dict[str, Any] | None) -> None:
        """Begin a commit once the one before was accepted; `result` ends the job. Raises NotOurs for that one."""
        try:
            self.wait()
        except NotOurs:
            self._run.process.reporter.forget(self._run.runtime.store, node.id)
            raise
        self._last = self._run.process.side.submit(self._show_and_commit, taken, node, strip, result)

    def told_to_give_way(self) -> bool:
        """Whether the worker ends or others wait: for bulk jobs as of now, for interactive ones as of the last commit,
        so that none of their steps waits for Redis; they give way one step later at most."""
        run = self._run
        return _should_give_way(run) if run.job.bulk else self._others_waited or run.process.stopping.is_set()

    def wait(self) -> None:
        """Until everything begun is committed. Raises NotOurs when it was refused."""
        last, self._last = self._last, None
        if last is not None:
            if not last.done():
                self._run.process.gil_turns.open()
            last.result()

    def _show_and_commit(
        self, taken: StepResult, node: NodeRecord, strip: Future[bytes], result: dict[str, Any] | None
    ) -> None:
        run = self._run
        with run.timed("publish_s"):
            kept = node.id, strip.result()
            if run.job.bulk:
                through_outages(lambda: run.process.ledger.frames.keep(*kept))
            else:
                through_outages(lambda: self._show(taken, kept))
        try:
            with run.timed("commit_s"):
                _commit(run, node, result)
        except NotOurs:
            run.process.reporter.forget(run.runtime.store, node.id)
            raise
        run.process.steps_done += 1
        if result is None and not run.job.bulk:
            self._others_waited = through_outages(lambda: _should_give_way(run))
        if run.job.bulk:  # whoever waits for this worker waits for the commit, not for pictures as well
            told(run.process.side, self._show, taken)

    def _show(self, taken: StepResult, kept: tuple[str, bytes] | None = None) -> None:
        first = first_frame_of(taken.frame_index, len(taken.frames))
        send_live(self._run.process.ledger, self._run.session.id, taken.frames, first, kept=kept)


def _commit(run: JobRun, node: NodeRecord, result: dict[str, Any] | None) -> None:
    told = ("frame_index", "wall_s", "bytes_new", "action_source", "steered")
    facts = {"checkpoint_id": node.id} | {name: getattr(node, name) for name in told}
    changes = {
        "head": node.id,
        "frame_index": node.frame_index,
        "n_frames": node.frames_to_end,
        "prompt": node.prompt,
        "seed": node.seed,
    }
    if result is not None:
        result = result | {"head": node.id, "frame_index": node.frame_index}
    final = "succeeded" if result is not None else None
    run.commit(node=node, changes=changes, step=facts, final=final, result=result)


def _node(run: JobRun, session: Session, taken: StepResult, parent: str | None, observed: str | None) -> NodeRecord:
    node_id = present(taken.checkpoint_id)
    info = run.runtime.manager.info(node_id)
    snapshot, given = session.snapshot, taken.action_source == "given"
    return NodeRecord(
        id=node_id,
        parent=parent,
        session_id=run.session.id,
        tree_id=present(run.session.tree_id),
        frame_index=taken.frame_index,
        prompt=snapshot.prompt_text,
        seed=snapshot.seed,
        prompt_mode=taken.prompt_mode or "keep",
        action_source="given" if given else "predicted",
        steered=taken.steered if given else None,
        actions=taken.actions.tolist(),
        state=snapshot.state,
        observed=0 if snapshot.observed is None else len(snapshot.observed),
        bytes_new=taken.bytes_new,
        bytes_total=info.bytes_total if info else 0,
        wall_s=round(taken.wall_s, 6),
        job_id=run.job.id,
        worker=run.process.name,
        window_start=snapshot.window_start,
        n_frames=len(taken.frames),
        internal={"_digest": digest_of(taken.step_latents), "_mode": session.prompt_mode, "_observed": observed},
    )
