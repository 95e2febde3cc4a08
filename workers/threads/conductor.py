"""Conducts evaluations: begins variants as workers have room, has judged what they made, writes it down.

All it knows is in the ledger; it may die at any line, and the next one (in any media worker, one at a time) goes on
with what is missing. Few variants are under way at once, so that interactive work finds the queues short, and ten
thousand that wait are one number.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from arc_fabric.base.lru import Lru
from arc_fabric.base.threads import Rounds
from arc_fabric.errors import TooManyJobs
from arc_fabric.evaluation.plan import Plan
from arc_fabric.evaluation.results import Row, row_of, word_of
from arc_fabric.evaluation.stored import move_rows
from arc_fabric.ledger import Accepted, EvaluationRecord, JobRecord, JobRequest
from arc_fabric.ledger.evaluations import Settled
from arc_fabric.store.backends import Backend
from workers.jobs.judge import Judge
from workers.process.process import WorkerProcess
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
ROUND_S = 0.1
_IDLE_S = 1.0
_ROLE_S = 3.0
PER_ROW = 3
"""Variants under way per row of a worker's batches: one runs, two wait, so that none idles between two rounds."""
_MOVE_AT = 1000
"""Rows that are moved to object storage before the evaluation has ended."""


class Conductor(Rounds):
    """A round ten times a second while an evaluation is under way, once a second else."""

    def __init__(self, process: WorkerProcess, backend: Backend) -> None:
        super().__init__("conductor", self._now_and_then, every_s=ROUND_S, outages=OUTAGES)
        self._process, self._backend = process, backend
        self._next = 0.0
        self._judge = Judge(process.settings)
        self._judging: dict[tuple[str, int], Future[Settled]] = {}
        self._judges = ThreadPoolExecutor(1, "judge")
        self._plans: Lru[str, Plan] = Lru(8, lambda plan: 1, least=1)
        self._lock = threading.Lock()

    def _now_and_then(self) -> None:
        if time.monotonic() >= self._next and not self.round():
            self._next = time.monotonic() + _IDLE_S

    def end(self, timeout: float | None = None) -> bool:
        """Make no more rounds; what is being judged is judged by the next conductor."""
        ended = super().end(timeout)
        self._judges.shutdown(wait=False, cancel_futures=True)
        self._judge.close()
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
        """Bring one evaluation on; returns how many of its variants are under way."""
        evaluations = self._process.ledger.evaluations
        record, running = evaluations.get(evaluation_id), evaluations.running(evaluation_id)
        self._settle(record, running)
        if record.state != "running":
            self._wind_up(record, {n: job for n, job in running.items() if (evaluation_id, n) not in self._judging})
            return 0
        why = self._limit(record)
        if why is not None:
            evaluations.change(evaluation_id, "stopped", why)
            return len(running)
        unasked = [number for number, job_id in running.items() if not job_id]
        taken = evaluations.take(evaluation_id, room - len(running)) if room > len(running) else []
        self._begin(record, [*unasked, *taken])
        if evaluations.row_count(evaluation_id) >= _MOVE_AT:
            move_rows(self._process.ledger, self._backend, evaluation_id)
        return len(running) + len(taken)

    def _limit(self, record: EvaluationRecord) -> str | None:
        """Which limit of its plan is reached since it began or was resumed, in words."""
        plan, since, steps, bad = self._plan(record.id), *record.resumed_at
        if plan.max_steps is not None and record.steps - steps >= plan.max_steps:
            return f"{record.steps - steps} steps were made; the plan allows {plan.max_steps}"
        if plan.stop_after_failures is not None and record.bad - bad >= plan.stop_after_failures:
            return f"{record.bad - bad} variants failed; the plan stops after {plan.stop_after_failures}"
        if plan.max_seconds is not None and self._process.ledger.core.now() - since >= plan.max_seconds:
            return f"{plan.max_seconds:g} seconds are over"
        return None

    def _begin(self, record: EvaluationRecord, numbers: list[int]) -> None:
        """Ask for the jobs of these variants; asking twice finds the first one again."""
        if not numbers:
            return
        plan, ledger = self._plan(record.id), self._process.ledger
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
            checkpoint_id=variant.checkpoint, prompt=variant.prompt, seed=variant.seed, prompt_mode=plan.prompt_mode,
            steps=plan.steps, actions=None if given is None else [*given, *[None] * (plan.steps - len(given))],
            bulk=True, batch=plan.batch, evaluation=record.id, label=plan.label,
            idempotency_key=f"{record.id}/{number}/{record.resumed}",
        )  # fmt: skip

    def _settle(self, record: EvaluationRecord, running: dict[int, str]) -> None:
        """Hand what has ended to the judge, write down what it has judged."""
        asked = {number: job_id for number, job_id in running.items() if job_id}
        waiting = [number for number in asked if (record.id, number) not in self._judging]
        jobs = self._process.ledger.jobs.many([asked[number] for number in waiting])
        for number, job in zip(waiting, jobs, strict=True):
            if job is None or (job.ended and (job.state != "cancelled" or record.state == "running")):
                self._judging[record.id, number] = self._judges.submit(self._judged, record.id, number, job)
        done = [key for key, future in self._judging.items() if key[0] == record.id and future.done()]
        self._write(record.id, [self._judging.pop(key).result() for key in done])

    def _judged(self, evaluation_id: str, number: int, job: JobRecord | None) -> Settled:
        """What came of a variant; in the judges' thread. An outage is for the next round, any other error is a row."""
        if job is None:
            return Settled(number, "")
        plan = self._plan(evaluation_id)
        try:
            row = self._row(plan, number, job)
        except OUTAGES:
            raise
        except Exception as error:
            log.exception("%s: variant %d cannot be judged", evaluation_id, number)
            told = {"type": type(error).__name__, "message": str(error)}
            row = row_of(plan.variant(number), job.to_dict() | {"state": "failed", "error": told}, [])
        return Settled(number, json.dumps(row, allow_nan=False), word_of(row), row["steps"])

    def _row(self, plan: Plan, number: int, job: JobRecord) -> Row:
        variant, nodes = plan.variant(number), self._process.ledger.nodes
        if job.state != "succeeded":
            return row_of(variant, job.to_dict(), [])
        steps = [step["checkpoint_id"] for step in (job.result or {})["steps"]]
        prompt = nodes.get(steps[-1]).prompt
        scores = self._judge.scores({
            "scorers": [use.model_dump() for use in plan.scorers], "prompt": prompt, "seed": variant.seed,
            "before": nodes.path(variant.checkpoint)[::-1], "steps": steps,
        })  # fmt: skip
        row = row_of(variant, job.to_dict() | {"params": {"prompt": prompt}}, scores)
        if plan.mark and row["score"] is not None:
            nodes.update(
                row["head"], score=row["score"], score_better=scores[0]["better"], failed=row["verdict"] is False
            )
        return row

    def _wind_up(self, record: EvaluationRecord, running: dict[int, str]) -> None:
        """It runs no more: take back what is under way, then store the rows."""
        ledger = self._process.ledger
        jobs = ledger.jobs.many([job_id for job_id in running.values() if job_id])
        for job in jobs:
            if job is not None and not job.ended:
                ledger.jobs.cancel(job.id)
        over = {job.id for job in jobs if job is not None and job.state == "cancelled"}
        self._write(record.id, [Settled(n, "") for n, job_id in running.items() if not job_id or job_id in over])
        if not ledger.evaluations.running(record.id):
            move_rows(ledger, self._backend, record.id)
            ledger.evaluations.rest(record.id)

    def _write(self, evaluation_id: str, settled: Iterable[Settled]) -> None:
        found = list(settled)
        if found:
            self._process.ledger.evaluations.settle(evaluation_id, found)

    def _plan(self, evaluation_id: str) -> Plan:
        with self._lock:
            known = self._plans.get(evaluation_id)
            if known is None:
                known = Plan.model_validate_json(self._process.ledger.evaluations.plan(evaluation_id))
                self._plans.add(evaluation_id, known)
            return known
