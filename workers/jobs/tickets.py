"""From a ticket to executed jobs: claim, run, commit, until the ticket's own job is over.

A ticket makes the worker run the session's mailbox from its first job up to the ticket's, so the order of jobs does
not depend on the order of messages, and a lost ticket is made good by any later one.
"""

from __future__ import annotations

import logging

import torch

from arc_fabric.errors import ArcFabricError, ModelError, ModelOutOfMemory
from arc_fabric.ledger import Claim
from workers.jobs.kinds import KINDS
from workers.jobs.payloads import Payloads
from workers.jobs.run import GivesWay, JobRun, NotOurs
from workers.process.process import WorkerProcess, fenced
from workers.process.retry import REDIS_OUTAGE, through_outages

log = logging.getLogger(__name__)
DEVICE_ERRORS_TO_DRAIN = 3


class Tickets:
    """The task thread's loop. `run` is the whole of every Celery task."""

    def __init__(self, process: WorkerProcess) -> None:
        assert process.runtime is not None
        self._process = process
        self._payloads = Payloads(process.ledger, process.runtime)
        self._device_errors = 0

    def run(self, job_id: str) -> str | None:
        """Work on a ticket; the state in which its job ended ("" where nobody knows it any more), None when the ticket
        was handed on (to another worker, or to later)."""
        process = self._process
        if process.ending.is_set():
            return None  # what is pending is being stored; the sweep at the end sends this job's ticket again
        while True:
            claim = through_outages(lambda: process.ledger.execution.claim(process.name, process.boot_id, job_id))
            if claim.outcome == "fenced":
                fenced(process)
            if claim.outcome in ("done", "elsewhere"):
                if claim.job is not None:
                    process.dispatcher.send(claim.job)
                return None if claim.outcome == "elsewhere" else claim.ended or ""
            run = self._execute(claim, job_id)
            if run is None:
                return None
            if run.ended and run.job.id == job_id:
                return run.ended

    def remake(self, checkpoint_ids: list[str]) -> None:
        """Make payloads of committed checkpoints again (see payloads.py), until other work waits; the janitor asks
        again for the rest."""
        for checkpoint_id in checkpoint_ids:
            if self._process.stopping.is_set() or self._process.ledger.execution.others_waiting(self._process.name, ""):
                return
            try:
                self._payloads.fetch(checkpoint_id)
            except ArcFabricError as error:
                log.warning("%s cannot be made again: %s", checkpoint_id, error)

    def _execute(self, claim: Claim, ticket: str) -> JobRun | None:
        """Run one claimed job. None when the ticket has been handed on."""
        process = self._process
        run = JobRun.of(process, self._payloads, claim)
        process.current_session, process.current_job = run.session.id, run.job.id
        try:
            self._attempt(run)
        except GivesWay as answer:
            return None if self._hand_on(run, ticket, answer) else run
        except NotOurs as answer:
            log.info("job %s: %s, dropped", run.job.id, answer)
            run.runtime.drop(run.session.id)
        except REDIS_OUTAGE:
            run.runtime.drop(run.session.id)
            raise
        finally:
            process.current_job = process.current_session = None
        if run.session.bulk or run.job.kind == "close":
            run.runtime.drop(run.session.id)
        return run

    def _attempt(self, run: JobRun) -> None:
        """Run the job's kind; what the model or the store raises fails the job, not the worker."""
        try:
            KINDS[run.job.kind](run)
            self._device_errors = 0
        except (GivesWay, NotOurs, *REDIS_OUTAGE):
            raise
        except Exception as error:  # a model may raise anything; the job record says what it was
            run.runtime.drop(run.session.id)
            self._count_device_error(error)
            log.warning("job %s failed: %s", run.job.id, error, exc_info=not isinstance(error, ArcFabricError))
            run.commit(final="failed", error=error_fields(error))

    def _hand_on(self, run: JobRun, ticket: str, way: GivesWay) -> bool:
        process = self._process
        job = through_outages(lambda: process.ledger.execution.requeue(
            process.name, process.boot_id, run.session.id, run.job.id, ticket, run.epoch, failed=way.failed
        ))  # fmt: skip
        if job is None:
            run.runtime.drop(run.session.id)
            return False
        process.dispatcher.send(job)
        return True

    def _count_device_error(self, error: Exception) -> None:
        if not is_device_error(error):
            return
        self._device_errors += 1
        if self._device_errors >= DEVICE_ERRORS_TO_DRAIN:
            self._process.drain(f"{self._device_errors} device errors in a row")


def is_device_error(error: Exception) -> bool:
    """Whether the device, not the request, is to blame."""
    if isinstance(error, (ModelOutOfMemory, torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)


def error_fields(error: Exception) -> dict[str, object]:
    """The `error` of a job record."""
    if isinstance(error, ArcFabricError):
        return error.to_dict()
    told = ModelError(
        f"{type(error).__name__}: {error}",
        hint="The session is at its last committed checkpoint; try again, or rewind and change the inputs.",
        exception=type(error).__name__,
    )
    return told.to_dict()
