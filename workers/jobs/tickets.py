"""From a ticket to executed jobs: claim, run, commit, until the ticket's own job is over.

A ticket makes the worker run the session's mailbox from its first job up to the ticket's, so the order of jobs does
not depend on the order of messages, and a lost ticket is made good by any later one.
"""

from __future__ import annotations

import logging

from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import Claim
from workers.jobs.batch import Batch
from workers.jobs.failures import Failures
from workers.jobs.kinds import KINDS
from workers.jobs.payloads import Payloads
from workers.jobs.run import GivesWay, JobRun, NotOurs
from workers.process.process import WorkerProcess, fenced
from workers.process.retry import REDIS_OUTAGE, through_outages

log = logging.getLogger(__name__)


class Tickets:
    """The task thread's loop. `run` is the whole of every Celery task."""

    def __init__(self, process: WorkerProcess) -> None:
        assert process.runtime is not None
        self._process = process
        self._payloads = Payloads(process.ledger, process.runtime)
        self._failures = Failures(process)

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
        mates = self._mates(run)
        if mates:
            handed_on = Batch(process, self._failures, [run, *mates]).run(ticket)
            return None if run in handed_on else run
        process.current_session, process.current_job = run.session.id, run.job.id
        try:
            self._attempt(run)
        except GivesWay as answer:
            return None if run.hand_on(ticket, failed=answer.failed) else run
        except NotOurs as answer:
            log.info("job %s: %s, dropped", run.job.id, answer)
            run.runtime.drop(run.session.id)
        except REDIS_OUTAGE:
            run.runtime.drop(run.session.id)
            raise
        finally:
            process.current_job = process.current_session = None
        if run.session.bulk or run.job.kind == "close":
            run.runtime.forget(run.session.id)
        return run

    def _mates(self, run: JobRun) -> list[JobRun]:
        """Other jobs that were taken to step together with this one."""
        process, room = self._process, self._process.batch_rows - 1
        if run.job.batch is None or room < 1 or process.stopping.is_set():
            return []
        claims = through_outages(
            lambda: process.ledger.execution.mates(process.name, process.boot_id, run.job.id, room)
        )
        return [JobRun.of(process, self._payloads, claim) for claim in claims]

    def _attempt(self, run: JobRun) -> None:
        """Run the job's kind; what the model or the store raises fails the job, not the worker."""
        try:
            KINDS[run.job.kind](run)
            self._failures.none()
        except (GivesWay, NotOurs, *REDIS_OUTAGE):
            raise
        except Exception as error:  # noqa: BLE001 - a model may raise anything; the job record says what it was
            self._failures.note(run, error)
