"""Jobs that step together: one model call per step for all, everything else for each by itself.

Each job was claimed with its own session, owner and epoch, so each of its commits is taken or refused by itself: a job
that was cancelled, or whose session went to another worker, leaves before the next step, one that fails fails alone. A
worker that is killed leaves as many jobs behind as it had rows; each goes on from its own last commit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from arc_fabric.base.threads import told
from arc_fabric.batches.together import RowStep, step_together
from arc_fabric.errors import StoreError, StoreUnavailable
from arc_fabric.media.frames import STRIP
from arc_fabric.session import Session
from arc_fabric.steps.result import StepResult
from workers.jobs.commits import Commits, encode, node_of, should_give_way
from workers.jobs.failures import Failures
from workers.jobs.run import JobRun, NotOurs
from workers.process.process import WorkerProcess
from workers.process.retry import REDIS_OUTAGE, through_store_outages

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Row:
    run: JobRun
    session: Session
    done: int
    parent: str | None
    line: Commits

    @property
    def total(self) -> int:
        steps: int = self.run.job.params["steps"]
        return steps

    def action(self) -> Any:
        """Given for its next step; None where the policy acts."""
        given = self.run.job.params.get("actions")
        return given[self.done] if given else None


class Batch:
    """Forks that were claimed to step together, in the task thread."""

    def __init__(self, process: WorkerProcess, failures: Failures, runs: Sequence[JobRun]) -> None:
        """The first of `runs` is the one whose ticket came."""
        self._process, self._failures, self._runs = process, failures, runs
        self._fast = runs[0].job.batch == "fast"
        self._over: list[_Row] = []
        self._handed_on: list[JobRun] = []

    def run(self, ticket: str) -> list[JobRun]:
        """Step until each job has ended, is not ours any more, or gives way; those that gave way."""
        try:
            self._run(ticket)
        except REDIS_OUTAGE:
            log.warning("%d jobs that step together are left: Redis is away", len(self._runs))
            raise
        finally:
            for run in self._runs:
                run.runtime.forget(run.session.id)
            self._process.current_job = self._process.current_session = None
            self._process.mates = ()
            self._process.gil_turns.open()
        return self._handed_on

    def _run(self, ticket: str) -> None:
        rows = [row for row in map(self._begun, self._runs) if row is not None]
        while rows and not should_give_way(rows[0].run):
            rows = self._step(rows)
        for row in rows:
            if self._settled(row) and row.run.hand_on(ticket if row.run is self._runs[0] else row.run.job.id):
                self._handed_on.append(row.run)
        for row in self._over:
            if self._settled(row):
                self._failures.none()

    def _begun(self, run: JobRun) -> _Row | None:
        """A job at its head; None where that failed."""
        self._process.current_job, self._process.current_session = run.job.id, run.session.id
        try:
            session = run.at_head()
        except REDIS_OUTAGE:
            raise
        except Exception as error:  # noqa: BLE001 - a model may raise anything; it is this job's alone
            self._failed(run, error)
            return None
        return _Row(run, session, run.job.progress["done"], run.session.head, Commits(run))

    def _step(self, rows: list[_Row]) -> list[_Row]:
        """One step of those that are still ours; the rows that have another one before them."""
        rows = [row for row in rows if not row.line.refused() or self._settled(row)]
        if not rows:
            return []
        first, *mates = rows
        self._process.current_job, self._process.current_session = first.run.job.id, first.run.session.id
        self._process.mates = tuple(row.run.job.id for row in mates)
        strips: list[Future[bytes]] = [Future() for _ in rows]
        answers = self._compute(rows, strips)
        left = [
            row for row, answer, strip in zip(rows, answers, strips, strict=True) if self._takes(row, answer, strip)
        ]
        self._over += [row for row in left if row.done == row.total]
        return [row for row in left if row.done < row.total]

    def _compute(self, rows: list[_Row], strips: list[Future[bytes]]) -> list[StepResult | Exception]:
        steps = [
            RowStep(row.session, row.action(), attachments=self._attach(row, strip))
            for row, strip in zip(rows, strips, strict=True)
        ]
        self._process.step_began = time.monotonic()
        try:
            answers = step_together(steps, fast=self._fast and rows[0].session.model.abilities.batches)
        finally:
            self._process.step_began = None
        return [
            _again(step) if isinstance(answer, StoreUnavailable) else answer
            for step, answer in zip(steps, answers, strict=True)
        ]

    def _attach(self, row: _Row, strip: Future[bytes]) -> Callable[[np.ndarray], dict[str, Any]]:
        def attach(frames: np.ndarray) -> dict[str, Any]:
            self._process.step_began = None  # the model is done with it; waiting for the store is no hanging step
            told(self._process.side, encode, row.run, frames, strip)
            return {STRIP: strip.result}

        return attach

    def _takes(self, row: _Row, answer: StepResult | Exception, strip: Future[bytes]) -> bool:
        """Begin the commit of a row's step; whether the row is still ours."""
        if isinstance(answer, Exception):
            if self._settled(row):  # what was computed before counts
                self._failed(row.run, answer)
            return False
        row.run.timings["step_s"] = round(row.run.timings.get("step_s", 0.0) + answer.wall_s, 6)
        node = node_of(row.run, row.session, answer, row.parent)
        row.done, row.parent = row.done + 1, node.id
        result = row.run.opening() if row.done == row.total else None
        return self._told(row, lambda: row.line.add(answer, node, strip, result))

    def _settled(self, row: _Row) -> bool:
        """Whether everything of a row was committed."""
        return self._told(row, row.line.wait)

    def _told(self, row: _Row, commit: Callable[[], None]) -> bool:
        try:
            commit()
        except NotOurs as answer:
            log.info("job %s: %s, dropped", row.run.job.id, answer)
            return False
        except REDIS_OUTAGE:
            raise
        except Exception as error:  # noqa: BLE001 - as where a job steps alone, it is this job's
            if isinstance(error, StoreError) and not isinstance(error, StoreUnavailable):
                # It could not be stored from here (see durability.py); a fresh process makes it again and stores it.
                self._process.drain(f"a step of {row.run.job.id} was not stored: {error}")
                if row.run.hand_on(row.run.job.id, failed=True):
                    self._handed_on.append(row.run)
            else:  # storage was waited for; the job ends at its last commit
                self._failed(row.run, error)
            return False
        return True

    def _failed(self, run: JobRun, error: Exception) -> None:
        try:
            self._failures.note(run, error)
        except NotOurs as answer:
            log.info("job %s: %s, dropped", run.job.id, answer)


def _again(step: RowStep) -> StepResult | Exception:
    """A row whose state could not be read, by itself, once the object store answers."""

    def once() -> StepResult | Exception:
        answer = step.alone()
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    try:
        return through_store_outages(once)
    except StoreUnavailable as error:
        return error
