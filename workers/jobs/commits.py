"""What follows a step: its frames are encoded and shown, its node is committed, in a thread beside the model.

Commits of a job stay in order: the next one is begun only after the last one was accepted.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np

from arc_fabric.base.frames import first_frame_of
from arc_fabric.base.present import present
from arc_fabric.base.threads import told
from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import NodeRecord
from arc_fabric.media.frames import pack_strip
from arc_fabric.session import Session
from arc_fabric.steps.result import StepResult
from workers.jobs.payloads import digest_of
from workers.jobs.publish import EarlyFrames, send_live
from workers.jobs.run import JobRun, NotOurs
from workers.process.retry import through_outages, through_store_outages

STORED_WITHIN_S = 600.0
"""How long a step of a fast batch waits for storage."""


def should_give_way(run: JobRun) -> bool:
    """Whether this process ends, or interactive work of other sessions waits for it."""
    process = run.process
    return process.stopping.is_set() or process.ledger.execution.others_waiting(process.name, run.session.id)


def encode(run: JobRun, frames: np.ndarray, strip: Future[bytes]) -> None:
    """Make the strip of a step's frames, in the thread beside the model, when it has turns."""
    run.process.gil_turns.wait()
    try:
        strip.set_result(pack_strip(frames))
    except BaseException as error:  # noqa: BLE001 - whoever waits for the strip raises it
        strip.set_exception(error)


class Commits:
    """The commits of one job, one at a time, in the process's side thread."""

    def __init__(self, run: JobRun) -> None:
        self._run = run
        self._last: Future[None] | None = None
        self._others_waited = False

    def add(
        self, taken: StepResult, node: NodeRecord, strip: Future[bytes], result: dict[str, Any] | None,
        early: EarlyFrames | None = None,
    ) -> None:  # fmt: skip
        """Begin a commit once the one before was accepted; `result` ends the job, `early` has shown the step's first
        frames. Raises NotOurs for the one before, and StoreError where it had to be stored and was not."""
        try:
            self.wait()
        except Exception:
            if early is not None:
                early.drop()
            self._run.process.reporter.forget(self._run.runtime.store, node.id)
            raise
        shown = 0 if early is None else early.count
        self._last = self._run.process.side.submit(self._show_and_commit, taken, node, strip, result, shown)

    def told_to_give_way(self) -> bool:
        """Whether the worker ends or others wait: for bulk jobs as of now, for interactive ones as of the last commit,
        so that none of their steps waits for Redis; they give way one step later at most."""
        run = self._run
        return should_give_way(run) if run.job.bulk else self._others_waited or run.process.stopping.is_set()

    def refused(self) -> bool:
        """Whether the last commit is known to have failed; `wait` says how."""
        return self._last is not None and self._last.done() and self._last.exception() is not None

    def wait(self) -> None:
        """Until everything begun is committed. Raises NotOurs when it was refused."""
        last, self._last = self._last, None
        if last is not None:
            if not last.done():
                self._run.process.gil_turns.open()
            last.result()

    def _show_and_commit(
        self, taken: StepResult, node: NodeRecord, strip: Future[bytes], result: dict[str, Any] | None, shown: int
    ) -> None:
        run = self._run
        if needs_storage(taken, node):
            with run.timed("store_s"):
                self._stored(node)
            node.durability = "durable"
        with run.timed("publish_s"):
            kept = node.id, strip.result()
            if run.job.bulk:
                through_outages(lambda: run.process.ledger.frames.keep(*kept))
            else:
                through_outages(lambda: self._show(taken, kept, shown))
        try:
            with run.timed("commit_s"):
                _commit(run, node, result)
        except NotOurs:
            run.process.reporter.forget(run.runtime.store, node.id)
            through_outages(lambda: run.process.ledger.frames.forget(node.id))
            raise
        run.process.steps_done += 1
        if result is None and not run.job.bulk:
            self._others_waited = through_outages(lambda: should_give_way(run))
        if run.job.bulk:  # whoever waits for this worker waits for the commit, not for pictures as well
            told(run.process.side, self._show, taken)

    def _stored(self, node: NodeRecord) -> None:
        """Wait until it is. Raises DeadlineExceeded, or what made storing it fail; its payload then goes, once
        storage is back."""
        store = self._run.runtime.store
        try:
            through_store_outages(lambda: store.wait_durable(node.id, STORED_WITHIN_S))
        except ArcFabricError:
            self._run.process.reporter.forget(store, node.id)
            raise

    def _show(self, taken: StepResult, kept: tuple[str, bytes] | None = None, shown: int = 0) -> None:
        """Live, but for the frames that were `shown` already; the last one always, which says that it is."""
        first, rest = first_frame_of(taken.frame_index, len(taken.frames)), min(shown, len(taken.frames) - 1)
        send_live(self._run.process.ledger, self._run.session.id, taken.frames[rest:], first + rest, kept=kept)


def needs_storage(taken: StepResult, node: NodeRecord) -> bool:
    """Whether a step counts only once it is stored: it has bits that no step alone makes again."""
    return taken.rows > 1 and node.batch_mode == "fast"


def _commit(run: JobRun, node: NodeRecord, result: dict[str, Any] | None) -> None:
    told = ("frame_index", "wall_s", "bytes_new", "action_source", "steered", "batch_mode")
    facts = {"checkpoint_id": node.id} | {name: getattr(node, name) for name in told}
    changes = {
        "head": node.id,
        "frame_index": node.frame_index,
        "n_frames": node.frames_to_end,
        "prompt": node.prompt,
        "seed": node.seed,
        "model_settings": node.model_settings,
    }
    if result is not None:
        result = result | {"head": node.id, "frame_index": node.frame_index}
    final = "succeeded" if result is not None else None
    run.commit(node=node, changes=changes, step=facts, final=final, result=result)


def node_of(
    run: JobRun, session: Session, taken: StepResult, parent: str | None, observed: str | None = None
) -> NodeRecord:
    """The node of a step that was taken, as it will be committed."""
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
        model_settings=dict(snapshot.settings),
        action_source="given" if given else "predicted" if taken.action_source else None,
        steered=taken.steered if given else None,
        actions=taken.actions.tolist() if taken.action_source else None,
        state=snapshot.state,
        observed=0 if snapshot.observed is None else len(snapshot.observed),
        bytes_new=taken.bytes_new,
        bytes_total=info.bytes_total if info else 0,
        batch_mode=run.job.batch or "exact",
        wall_s=round(taken.wall_s, 6),
        job_id=run.job.id,
        worker=run.process.name,
        window_start=snapshot.window_start,
        n_frames=len(taken.frames),
        internal={"_digest": digest_of(taken), "_mode": session.prompt_mode, "_observed": observed},
    )
