"""Conducts evaluations: begins variants as workers have room, has judged what they made, writes it down.

All it knows is in the ledger; it may die at any line, and the next one (in any media worker, one at a time) goes on
with what is missing. Few variants are under way at once, so that interactive work finds the queues short, and ten
thousand that wait are one number.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable

from arc_fabric.base.threads import Rounds
from arc_fabric.errors import TooManyJobs
from arc_fabric.evaluation.plan import Plan
from arc_fabric.evaluation.results import row_of
from arc_fabric.evaluation.statistics import wilson
from arc_fabric.evaluation.stored import move_rows, write_groups
from arc_fabric.ledger import Accepted, EvaluationRecord, JobRequest
from arc_fabric.ledger.evaluations import LENT, MADE, Settled
from arc_fabric.store.backends import Backend
from workers.jobs.judging import Judging
from workers.process.process import WorkerProcess
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
ROUND_S = 0.1
_IDLE_S = 1.0
_ROLE_S = 3.0
PER_ROW = 3
"""Variants under way per row of a worker's batches: one runs, two wait, so that none idles between two rounds."""
REJUDGED = 16
"""Variants of a stored run that are handed to the judge at once: it steps nothing and needs no worker."""
_MOVE_AT = 1000
"""Rows that are moved to object storage before the evaluation has ended."""


class Conductor(Rounds):
    """A round ten times a second while an evaluation is under way, once a second else."""

    def __init__(self, process: WorkerProcess, backend: Backend) -> None:
        super().__init__("conductor", self._now_and_then, every_s=ROUND_S, outages=OUTAGES)
        self._process, self._backend = process, backend
        self._next = 0.0
        self._judging = Judging(process.ledger, backend, process.settings)

    def _now_and_then(self) -> None:
        if time.monotonic() >= self._next and not self.round():
            self._next = time.monotonic() + _IDLE_S

    def end(self, timeout: float | None = None) -> bool:
        """Make no more rounds; what is being judged is judged by the next conductor."""
        ended = super().end(timeout)
        self._judging.close()
        return ended

    def round(self) -> bool:
        """One round, if the role is ours; whether an evaluation is under way."""
        process = self._process
        if not process.ledger.leases.hold("conductor", process.boot_id, _ROLE_S):
            return False
        active = process.ledger.evaluations.active()
        if active:
            workers = [w for w in process.ledger.workers.all() if w.role == "gpu" and w.state != "down"]
            free = PER_ROW * sum(worker.batch_rows for worker in workers)
            for evaluation_id in active:
                free -= self._advance(evaluation_id, max(0, free))
        return bool(active)

    def _advance(self, evaluation_id: str, room: int) -> int:
        """Bring one evaluation on; returns how many of its variants a worker is to make."""
        evaluations = self._process.ledger.evaluations
        record, running = evaluations.get(evaluation_id), evaluations.running(evaluation_id)
        self._settle(record, running)
        if record.state != "running":
            self._wind_up(record, {n: job for n, job in running.items() if not self._judging.knows(evaluation_id, n)})
            return 0
        why = self._limit(record)
        if why is not None:
            evaluations.change(evaluation_id, "stopped", why)
            return len(running)
        if evaluations.row_count(evaluation_id) >= _MOVE_AT:
            move_rows(self._process.ledger, self._backend, evaluation_id)
        if record.rescores is not None:
            evaluations.take(evaluation_id, max(0, REJUDGED - len(running)))
            return 0
        if self._judging.plan(evaluation_id).policies:
            return 0  # whoever runs them asks for variants
        unasked = [number for number, job_id in running.items() if not job_id]
        taken = evaluations.take(evaluation_id, room - len(running)) if room > len(running) else []
        self._begin(record, [*unasked, *taken])
        return len(running) + len(taken)

    def _limit(self, record: EvaluationRecord) -> str | None:
        """Which limit of its plan is reached since it began or was resumed, in words."""
        plan, since, steps, bad = self._judging.plan(record.id), *record.resumed_at
        if plan.max_steps is not None and record.steps - steps >= plan.max_steps:
            return f"{record.steps - steps} steps were made; the plan allows {plan.max_steps}"
        if plan.stop_after_failures is not None and record.bad - bad >= plan.stop_after_failures:
            return f"{record.bad - bad} variants failed; the plan stops after {plan.stop_after_failures}"
        if plan.max_seconds is not None and self._process.ledger.core.now() - since >= plan.max_seconds:
            return f"{plan.max_seconds:g} seconds are over"
        width = plan.stop_when_within
        if width is not None and record.good + record.bad and not record.resumed:
            rate, low, high = wilson(record.good, record.good + record.bad)
            if high - low <= width:
                return f"the rate is {rate:.0%}, {low:.0%} to {high:.0%}: within {width:g} after {record.done} variants"
        return None

    def _begin(self, record: EvaluationRecord, numbers: list[int]) -> None:
        """Ask for the jobs of these variants; asking twice finds the first one again."""
        if not numbers:
            return
        plan, ledger = self._judging.plan(record.id), self._process.ledger
        answers = self._process.dispatcher.accept_many([self._request(record, plan, n) for n in numbers])
        begun, refused = {}, []
        for number, answer in zip(numbers, answers, strict=True):
            if isinstance(answer, Accepted):
                begun[number] = answer.job.id
            elif not isinstance(answer, TooManyJobs):  # that one is asked for again
                refused.append((number, answer))
        ledger.evaluations.began(record.id, begun)
        rows = [row_of(plan.variant(n), {"state": "failed", "error": error.to_dict()}, []) for n, error in refused]
        self._write(record.id, (Settled(row["variant"], json.dumps(row), "error") for row in rows))

    def _request(self, record: EvaluationRecord, plan: Plan, number: int) -> JobRequest:
        variant = plan.variant(number)
        given = None if variant.actions is None else variant.actions.actions
        return self._process.ledger.sessions.fork_request(
            checkpoint_id=variant.checkpoint, prompt=variant.prompt, seed=variant.seed, prompt_mode=variant.prompt_mode,
            model_settings=variant.model_settings,
            steps=plan.steps, actions=None if given is None else [*given, *[None] * (plan.steps - len(given))],
            bulk=True, batch=plan.batch, evaluation=record.id, label=plan.label,
            idempotency_key=f"{record.id}/{number}/{record.resumed}",
        )  # fmt: skip

    def _settle(self, record: EvaluationRecord, running: dict[int, str]) -> None:
        """Hand what has ended to the judge, write down what it has judged."""
        waiting = {n: note for n, note in running.items() if not self._judging.knows(record.id, n)}
        late = [Settled(n, "") for n, note in waiting.items() if note.startswith(LENT) and self._late(note)]
        for number, note in waiting.items():
            if record.rescores is not None:
                if record.state == "running":
                    self._judging.stored(record.id, number, record.rescores)
            elif note.startswith(MADE):
                self._judging.head(record.id, number, json.loads(note.removeprefix(MADE)))
        asked = {n: note for n, note in waiting.items() if note and not note.startswith((LENT, MADE))}
        jobs = self._process.ledger.jobs.many(list(asked.values()))
        for number, job in zip(asked, jobs, strict=True):
            if job is None or (job.ended and (job.state != "cancelled" or record.state == "running")):
                self._judging.job(record.id, number, job)
        self._write(record.id, [*late, *self._judging.answers(record.id)])

    def _late(self, note: str) -> bool:
        """Whether whoever a variant was lent to has said nothing in time."""
        return float(note.rpartition(":")[2]) < self._process.ledger.core.now()

    def _wind_up(self, record: EvaluationRecord, running: dict[int, str]) -> None:
        """It runs no more: take back what is under way, then store the rows and what is said of groups of them."""
        ledger = self._process.ledger
        jobs = ledger.jobs.many([note for note in running.values() if note and not note.startswith((LENT, MADE))])
        for job in jobs:
            if job is not None and not job.ended:
                ledger.jobs.cancel(job.id)
        over = {job.id for job in jobs if job is not None and job.state == "cancelled"}
        given = [n for n, note in running.items() if not note or note in over or note.startswith(LENT)]
        self._write(record.id, [Settled(number, "") for number in given])
        if ledger.evaluations.running(record.id):
            return
        move_rows(ledger, self._backend, record.id)
        groups = self._judging.groups(record)
        if groups is not None:
            write_groups(self._backend, record.id, groups)
            ledger.evaluations.rest(record.id)

    def _write(self, evaluation_id: str, settled: Iterable[Settled]) -> None:
        found = list(settled)
        if found:
            self._process.ledger.evaluations.settle(evaluation_id, found)
