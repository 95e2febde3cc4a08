"""Media jobs: clips that the media worker makes. They are accepted as all jobs are, by `ledger.jobs.accept`.

They are job records like all others (listed, waited for, cancelled, shown in Flower) without a place in a session's
mailbox: what they read never changes, so they need neither the session's order nor its lease. They are done at least
once: a job whose worker died is taken up by the next one from its beginning, and writes the same object.
"""

from __future__ import annotations

from typing import Any

from arc_fabric.ids import new_id
from arc_fabric.ledger.core import Core, codec
from arc_fabric.ledger.records import JobRecord
from arc_fabric.ledger.requests import JobRequest


class Media:
    """Media jobs."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def request(
        self, kind: str, session_id: str, params: dict[str, Any], *, target: str, total: int, most: int | None = None
    ) -> JobRequest:
        """A job that makes the object `target`; what is accepted is the unfinished one for it, if there is one.

        `total` is what its progress counts to. With `most` a new one is refused (RateLimited) where so many media jobs
        are unfinished.
        """
        job = JobRecord(id=new_id("job"), kind=kind, session_id=session_id, params=params)
        fields = job.to_dict() | {"_total": total, "_done": 0, "_target": target}
        return JobRequest(
            "media/submit", job, (job.id, codec.pack(fields), self._core.limits.max_jobs_total, most or "")
        )

    def claim(self, worker: str, boot_id: str, job_id: str, attempts: int) -> tuple[str, JobRecord | None]:
        """What to do with a media job's ticket: ("run", the job), "done" (nothing left to do) or "fenced"."""
        answer = self._core.scripts.run("media/claim", worker, boot_id, job_id, self._core.lease_ms, attempts)
        return answer[0], JobRecord.decoded(answer[1]) if len(answer) > 1 else None

    def commit(
        self,
        worker: str,
        boot_id: str,
        job_id: str,
        done: int,
        *,
        final: str = "",
        result: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
        timings: dict[str, float] | None = None,
    ) -> bool:
        """Progress of a running media job; `final` ends it, or gives it back ("queued"). False when it was cancelled or
        another worker has it by now: stop."""
        told = (codec.dumps(result), codec.dumps(error), codec.dumps(timings or {}))
        answer = self._core.scripts.run("media/commit", worker, boot_id, job_id, done, final, *told)
        return bool(answer[0] == "ok")

    def sweep(self, timeout_s: float) -> list[str]:
        """Ids of the media jobs whose ticket must be sent again."""
        return self._core.scripts.run("media/sweep", timeout_s)
