"""Jobs: accepting, waiting for, cancelling and listing them."""

from __future__ import annotations

import json
import time
from typing import Any

from redis.exceptions import RedisError

from arc_fabric.errors import DeadlineExceeded, InvalidRequest
from arc_fabric.ids import new_id
from arc_fabric.input_keys import by_content
from arc_fabric.ledger import codec, keys
from arc_fabric.ledger.base import digest, raise_refusal
from arc_fabric.ledger.connection import BLOCK_S
from arc_fabric.ledger.records import JobRecord, Page
from arc_fabric.ledger.requests import JobRequest
from arc_fabric.ledger.sessions import Sessions

KINDS = ("step", "rewind", "checkpoint", "close", "noop")
"""Kinds that `submit` takes."""
OPENING_KINDS = ("create", "fork")
"""Kinds that come with a new session."""
_SCAN = 200


class Jobs(Sessions):
    """The part of the ledger about jobs."""

    def submit(
        self,
        session_id: str,
        kind: str,
        params: dict[str, Any] | None = None,
        *,
        if_head: str | None = None,
        idempotency_key: str | None = None,
        bulk: bool = False,
    ) -> JobRecord:
        """Accept one job for a session: it gets the session's next number and will take effect once.

        Raises SessionNotFound, SessionClosed, HeadMoved, TooManyJobs (context `retry_after`),
        IdempotencyMismatch, InvalidRequest. The caller then sends the ticket; `arc_fabric.queue.Dispatcher.accept` does
        both at once.
        """
        request = self.job_request(
            session_id, kind, params, if_head=if_head, idempotency_key=idempotency_key, bulk=bulk
        )
        return self.accept(request).job

    def job_request(
        self,
        session_id: str,
        kind: str,
        params: dict[str, Any] | None = None,
        *,
        if_head: str | None = None,
        idempotency_key: str | None = None,
        bulk: bool = False,
    ) -> JobRequest:
        """What `submit` accepts, for `accept_many`. Raises InvalidRequest."""
        params = params or {}
        if kind not in KINDS:
            raise InvalidRequest(f"Job kind {kind!r} does not exist.", hint=f"Use one of {', '.join(KINDS)}.")
        total = self._total(kind, params)
        job = JobRecord(id=new_id("job"), kind=kind, session_id=session_id, params=params, if_head=if_head, bulk=bulk)
        return JobRequest("submit", job, (
            session_id,
            job.id,
            codec.pack(job.to_dict() | {"_total": total, "_done": 0}),
            idempotency_key or "",
            digest(session_id, kind, by_content(params), if_head) if idempotency_key else "",
            if_head or "",
            self.limits.max_jobs_per_session,
            self.limits.max_jobs_total,
            self.limits.affinity_queue_bound,
        ))  # fmt: skip

    def _total(self, kind: str, params: dict[str, Any]) -> int:
        """How many commits the job will make."""
        if kind == "rewind" and not params.get("checkpoint_id"):
            n_steps = params.get("n_steps", 1)
            if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
                raise InvalidRequest(f"n_steps is a whole number of at least 1, not {n_steps!r}.")
        if kind != "step":
            return 1
        steps = params.get("steps", 1)
        self._check_steps(steps, low=1)
        for name in ("actions", "observed"):
            given = params.get(name)
            if given is not None and len(given) != steps:
                raise InvalidRequest(f"{name} has {len(given)} entries for {steps} steps: give one per step.")
        return int(steps)

    def cancel(self, job_id: str) -> JobRecord:
        """Cancel a queued or running job; a finished one is returned as it is. Committed steps stay."""
        raise_refusal(self.scripts.run("cancel", job_id))
        return self.job(job_id)

    def wait_job(self, job: str | JobRecord, timeout: float) -> JobRecord:
        """The job (a record spares one read) once it has finished, or as it is after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        now = self.job(job) if isinstance(job, str) else job
        stream, last = keys.session_events(now.session_id), now.internal.get("_event", "0")
        while not now.finished_for_good and (left := deadline - time.monotonic()) > 0:
            try:
                answer = self.blocking.xread({stream: last}, block=max(1, int(min(left, BLOCK_S) * 1000)))
                if not answer:  # also finds a job whose last event was trimmed off the stream
                    now = self.job(now.id)
            except (RedisError, OSError):
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)
                continue
            for line_id, fields in answer[0][1] if answer else ():
                last = line_id
                if fields["kind"] == "job.finished" and now.id in fields["data"]:
                    view = json.loads(fields["data"])
                    now = JobRecord.from_fields(view | now.internal) if view["id"] == now.id else now
        return now

    def result(self, job_id: str, timeout: float) -> JobRecord:
        """Like `wait_job`, but DeadlineExceeded when the job is not finished in time."""
        job = self.wait_job(job_id, timeout)
        if not job.finished_for_good:
            raise DeadlineExceeded(f"Job {job_id} is still {job.state} after {timeout:g} s.", job_id=job_id)
        return job

    def jobs(
        self,
        session: str | None = None,
        state: str | None = None,
        kind: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobRecord]:
        """Jobs, newest first, of one session or of all."""
        key = keys.session_jobs(session) if session else keys.JOBS
        found: list[JobRecord] = []
        while True:
            ids = self._newest_ids(key, cursor, _SCAN)
            for job_id, fields in zip(ids, self._fields(keys.job(i) for i in ids), strict=True):
                cursor = job_id
                if not fields:
                    continue
                record = JobRecord.from_fields(fields)
                if (state is None or record.state == state) and (kind is None or record.kind == kind):
                    found.append(record)
                if len(found) == limit:
                    return Page(found, cursor if self._newest_ids(key, cursor, 1) else None)
            if len(ids) < _SCAN:
                return Page(found)

    def forget_jobs(self, *, older_than_s: float, more_than: int, younger_than_s: float = keys.IDEMPOTENCY_S) -> int:
        """Delete the records of jobs that finished more than `older_than_s` ago, and of the oldest finished ones while
        there are `more_than` jobs in all; of these none that finished less than `younger_than_s` ago. Unfinished jobs,
        sessions and nodes stay. Returns how many were deleted."""
        forgotten, after = 0, ""
        while True:
            count, after = self.scripts.run("forget", older_than_s, more_than, younger_than_s, after, _SCAN)
            forgotten += int(count)
            if not after:
                return forgotten

    def queued_jobs(self, session_id: str) -> list[str]:
        """Ids of the session's unfinished jobs in accepted order."""
        return list(self.redis.lrange(keys.mailbox(session_id), 0, -1))
