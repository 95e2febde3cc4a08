"""Jobs: accepting, waiting for, cancelling and listing them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, cast, get_args

from redis.exceptions import RedisError

from arc_fabric.base.input_keys import by_content
from arc_fabric.base.rewind import check_n_steps
from arc_fabric.base.terms import KINDS, MEDIA_KINDS, OPENING_KINDS, UNKNOWN_KIND, JobState
from arc_fabric.errors import ArcFabricError, InvalidRequest, JobNotFound
from arc_fabric.ids import new_id
from arc_fabric.ledger.core import Core, codec, keys
from arc_fabric.ledger.core.connection import BLOCK_S, StreamLines
from arc_fabric.ledger.core.core import SCAN, Page
from arc_fabric.ledger.core.scripts import refusal
from arc_fabric.ledger.records import JobRecord, SessionRecord
from arc_fabric.ledger.requests import Accepted, JobRequest, check_steps, digest

PER_ROUND_TRIP = 500
"""Requests: about 2 MB there, 1.5 MB back. Redis serves others in between: it reads a few of one client at a time."""


_LISTS = [
    (state, kind) for state in get_args(JobState) for kind in (*OPENING_KINDS, *KINDS, *MEDIA_KINDS, UNKNOWN_KIND)
]
JOB_LISTS = [f"{state}:{kind}" for state, kind in _LISTS]
"""What `keys.jobs_in` names a list by: every state and kind."""


class Jobs:
    """Accepted work, of sessions and of the media worker."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, job_id: str) -> JobRecord:
        """One job, or JobNotFound."""
        (fields,) = self._core.hashes([keys.job(job_id)])
        if not fields:
            raise JobNotFound(f"No job {job_id}.", job_id=job_id)
        return JobRecord.from_fields(fields)

    def of_key(self, key: str) -> JobRecord | None:
        """The job that an Idempotency-Key (the id of a Celery task) stands for: accepted, or else refused."""
        pipe = self._core.redis.pipeline(transaction=False)
        for known in (keys.idempotency(key), keys.refused(key)):
            pipe.hget(known, "job")
        found = next((job_id for job_id in pipe.execute() if job_id), None)
        return self.many([str(found)])[0] if found else None

    def accept(self, request: JobRequest) -> Accepted:
        """Accept one request. Raises the error with which it is refused."""
        return self._accepted(request, self._core.scripts.run(request.script, *request.args, request.ticket))

    def accept_many(self, requests: Sequence[JobRequest]) -> list[Accepted | ArcFabricError]:
        """Accept requests in this order; each by itself: one that is refused does not stop the others.

        What was accepted before a connection broke stays accepted; who asks again uses the same Idempotency-Keys.
        """
        found: list[Accepted | ArcFabricError] = []
        for start in range(0, len(requests), PER_ROUND_TRIP):
            part = requests[start : start + PER_ROUND_TRIP]
            answers = self._core.scripts.run_many([(r.script, (*r.args, r.ticket)) for r in part])
            found += [refusal(a) or self._accepted(r, a) for r, a in zip(part, answers, strict=True)]
        return found

    def _accepted(self, request: JobRequest, answer: list[Any]) -> Accepted:
        """The records in an answer; what had been accepted before is read."""
        if len(answer) < 3:
            job = self.get(answer[1])
            job.replayed = answer[0] == "replayed"
            if request.script != "sessions/open":
                return Accepted(job)
            (session,) = self._core.hashes([keys.session(job.session_id)])
            return Accepted(job, SessionRecord.from_fields(session))
        return Accepted(JobRecord.decoded(answer[2]), SessionRecord.decoded(answer[3]) if len(answer) > 3 else None)

    def many(self, ids: Sequence[str]) -> list[JobRecord | None]:
        """Several jobs in the order given; None for what is not known (any more)."""
        return [JobRecord.from_fields(fields) if fields else None for fields in self._core.hashes(map(keys.job, ids))]

    def submit(self, *what: Any, **more: Any) -> JobRecord:
        """Accept what `request` (same arguments) describes: the job gets the session's next number and will take effect
        once. The caller then sends the ticket; `arc_fabric.queue.Dispatcher.accept` does both at once.

        Raises SessionNotFound, SessionClosed, HeadMoved, TooManyJobs (context `retry_after`), IdempotencyMismatch,
        InvalidRequest.
        """
        return self.accept(self.request(*what, **more)).job

    def request(
        self,
        session_id: str,
        kind: str,
        params: dict[str, Any] | None = None,
        *,
        if_head: str | None = None,
        idempotency_key: str | None = None,
        bulk: bool = False,
    ) -> JobRequest:
        """One job for a session, for `accept` and `accept_many`. Raises InvalidRequest."""
        params = params or {}
        if kind not in KINDS:
            raise InvalidRequest(f"Job kind {kind!r} does not exist.", hint=f"Use one of {', '.join(KINDS)}.")
        total = self._total(kind, params)
        job = JobRecord(id=new_id("job"), kind=kind, session_id=session_id, params=params, if_head=if_head, bulk=bulk)
        return JobRequest("jobs/submit", job, (
            session_id,
            job.id,
            codec.pack(job.to_dict() | {"_total": total, "_done": 0}),
            idempotency_key or "",
            digest(session_id, kind, by_content(params), if_head) if idempotency_key else "",
            if_head or "",
            self._core.limits.max_jobs_per_session,
            self._core.limits.max_jobs_total,
            self._core.limits.affinity_queue_bound,
            self._core.limits.quotas_json,
        ))  # fmt: skip

    def _total(self, kind: str, params: dict[str, Any]) -> int:
        """How many commits the job will make."""
        if kind == "rewind" and not params.get("checkpoint_id"):
            check_n_steps(params.get("n_steps", 1))
        if kind != "step":
            return 1
        steps = params.get("steps", 1)
        check_steps(steps, 1, self._core.limits.max_steps_per_job)
        for name in ("actions", "observed"):
            given = params.get(name)
            if given is not None and len(given) != steps:
                raise InvalidRequest(f"{name} has {len(given)} entries for {steps} steps: give one per step.")
        return int(steps)

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a queued or running job; a finished one is returned as it is. Committed steps stay."""
        self._core.scripts.run("jobs/cancel", job_id)
        return self.get(job_id)

    def wait(self, job: str | JobRecord, timeout: float) -> JobRecord:
        """The job (a record spares one read) once it has finished, or as it is after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        now = self.get(job) if isinstance(job, str) else job
        stream, last = keys.session_events(now.session_id), now.internal.get("_event", "0")
        while not now.ended and (left := deadline - time.monotonic()) > 0:
            try:
                block_ms = max(1, int(min(left, BLOCK_S) * 1000))
                answer = cast(StreamLines, self._core.blocking.xread({stream: last}, block=block_ms))
                if not answer:  # also finds a job whose last event was trimmed off the stream
                    now = self.get(now.id)
            except (RedisError, OSError):
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)
                continue
            for line_id, fields in answer[0][1] if answer else ():
                last = line_id
                if fields["kind"] == "job.finished" and now.id in fields["data"]:
                    view = json.loads(fields["data"])
                    ours = {"params": now.params} | view | now.internal
                    now = JobRecord.from_fields(ours) if view["id"] == now.id else now
        return now

    def page(
        self,
        session: str | None = None,
        state: str | None = None,
        kind: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobRecord]:
        """Jobs, newest first, of one session or of all. Those of a state or kind are found in lists of their own; among
        the jobs of one session, and where an earlier version left no such lists, they are looked for in slices."""
        if session or not (state or kind) or self._core.redis.get(keys.COUNTED) != keys.EDITION:
            ids = self._matching(keys.session_jobs(session) if session else keys.JOBS, state, kind, cursor, limit + 1)
        else:
            lists = [keys.jobs_in(f"{s}:{k}") for s, k in _LISTS if state in (None, s) and kind in (None, k)]
            ids = self._core.scripts.run("jobs/listed", cursor or "", limit + 1, *lists)
        stored = self._core.hashes(map(keys.job, ids[:limit]))
        return Page([JobRecord.from_fields(s) for s in stored if s], ids[limit - 1] if len(ids) > limit else None)

    def _matching(self, listing: str, state: str | None, kind: str | None, cursor: str | None, most: int) -> list[str]:
        found: list[str] = []
        wanted = [codec.dumps(value) if value else "" for value in (state, kind)]
        while len(found) < most:
            cursor, more = self._core.scripts.run("jobs/matching", listing, cursor or "", SCAN, *wanted)
            found += more
            if not cursor:
                break
        return found[:most]

    def forget(self, *, older_than_s: float, more_than: int, younger_than_s: float = keys.IDEMPOTENCY_S) -> int:
        """Delete the records of jobs that finished more than `older_than_s` ago, and of the oldest finished ones while
        there are `more_than` jobs in all; of these none that finished less than `younger_than_s` ago. Unfinished jobs,
        sessions and nodes stay. Returns how many were deleted."""
        forgotten, after = 0, ""
        while True:
            count, after = self._core.scripts.run("jobs/forget", older_than_s, more_than, younger_than_s, after, SCAN)
            forgotten += int(count)
            if not after:
                return forgotten
