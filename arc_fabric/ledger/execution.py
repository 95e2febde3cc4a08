"""Execution of jobs: claims, commits, and the reaper's sweep.

A session belongs to one worker process at a time (name + boot id); each change of owner raises the session's
epoch. A commit names the epoch it was computed under, so a worker that lost the session while it was frozen
cannot write.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arc_fabric.ledger.core import Core, codec, keys
from arc_fabric.ledger.jobs import Jobs
from arc_fabric.ledger.media import Media
from arc_fabric.ledger.records import JobRecord, NodeRecord, SessionRecord

ATTEMPTS = 6
"""Times in a row that a job may lose its worker without any commit before it fails."""
TICKET_TIMEOUT_S = 3.0
"""Silence after which the ticket of waiting work counts as lost (if no queue holds it and nobody runs it)."""
PER_SLICE, MOST_SLICES = 50, 40
"""Sessions that one script of a sweep moves or looks at, while Redis serves nobody else; scripts per sweep."""


@dataclass(frozen=True)
class Claim:
    """Answer to a ticket."""

    outcome: str
    """"run", "done" (nothing left to do), "elsewhere" (another live worker owns the session) or "fenced"."""
    job: JobRecord | None = None
    """With "run" the job to run. With "elsewhere" and "done" a job to send a ticket for, if there is one."""
    session: SessionRecord | None = None
    ended: str | None = None
    """With "done" the state in which the ticket's job ended; None where it is not known any more."""


@dataclass(frozen=True)
class Commit:
    """What one commit changes. `final` None means that the job goes on."""

    session_id: str
    job_id: str
    epoch: int
    node: NodeRecord | None = None
    session: dict[str, Any] = field(default_factory=dict)
    step: dict[str, Any] | None = None
    final: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    timings: dict[str, float] = field(default_factory=dict)


class Execution:
    """What workers call about the jobs that they run."""

    def __init__(self, core: Core, jobs: Jobs, media: Media) -> None:
        self._core, self._jobs, self._media = core, jobs, media

    def claim(self, worker: str, boot_id: str, job_id: str) -> Claim:
        """What the holder of this ticket may run now: the first unfinished job of the ticket's session."""
        answer = self._core.scripts.run("jobs/claim", worker, boot_id, job_id, self._core.lease_ms, ATTEMPTS)
        if answer[0] == "run":
            return Claim("run", JobRecord.decoded(answer[1]), SessionRecord.decoded(answer[2]))
        following = self._jobs.get(answer[1]) if len(answer) > 1 and answer[1] else None
        return Claim(answer[0], following, ended=answer[2] if len(answer) > 2 else None)

    def mates(self, worker: str, boot_id: str, job_id: str, most: int) -> list[Claim]:
        """Further jobs, at most so many, that may step together with this one, which the worker runs; each of them is
        the worker's from here on, as if its ticket had come."""
        answer = self._core.scripts.run("jobs/mates", worker, boot_id, job_id, most)
        pairs = zip(answer[::2], answer[1::2], strict=True)
        return [Claim("run", JobRecord.decoded(job), SessionRecord.decoded(session)) for job, session in pairs]

    def commit(self, worker: str, boot_id: str, change: Commit) -> tuple[str, str | None]:
        """Write one effect atomically.

        Returns "ok", "ended" when the job was cancelled or is over, or "fenced" when the session has another owner
        (drop what was computed then); and the session's next job if a ticket for it must be sent.
        """
        node = change.node
        fields = node.to_dict() | node.internal | {"_boot": boot_id} if node else {}
        fields.pop("children", None)
        answer = self._core.scripts.run(
            "jobs/commit", worker, boot_id, change.session_id, change.job_id, change.epoch,
            node.id if node else "", codec.pack(fields), codec.pack(change.session),
            codec.dumps(change.step) if change.step is not None else "",
            change.final or "", codec.dumps(change.result), codec.dumps(change.error), codec.dumps(change.timings),
        )  # fmt: skip
        return answer[0], (answer[1] or None) if answer[0] == "ok" else None

    def others_waiting(self, worker: str, session_id: str) -> bool:
        """Whether interactive work of other sessions waits for this worker."""
        return bool(self._core.scripts.run("jobs/waiting", worker, session_id)[0] == "yes")

    def requeue(
        self, worker: str, boot_id: str, session_id: str, job_id: str, ticket: str, epoch: int, *, failed: bool = False
    ) -> JobRecord | None:
        """Give way before a step of `job_id`, which ran under the ticket of `ticket` (itself or a later one). With
        `failed` it counts as one of the job's attempts.

        Returns the ticket's job, to be sent again, or None when the running job is no longer ours.
        """
        bound = self._core.limits.affinity_queue_bound
        answer = self._core.scripts.run(
            "jobs/requeue", worker, boot_id, session_id, job_id, epoch, bound, ticket, "" if failed else "0"
        )
        return JobRecord.decoded(answer[1]) if answer[0] == "ok" else None

    def note_deadline(self, job_id: str) -> None:
        """A step of this job exceeded the hard limit; at the second time the job fails."""
        self._core.scripts.run("jobs/deadline", job_id)

    def sweep(self) -> list[JobRecord]:
        """One round of the reaper; the jobs whose tickets must be sent (again)."""
        bound, ids = self._core.limits.affinity_queue_bound, []
        for _ in range(MOST_SLICES):
            more, resend = self._core.scripts.run("jobs/sweep", bound, TICKET_TIMEOUT_S, PER_SLICE)
            ids += resend
            if not more:
                break
        found = self._core.hashes(keys.job(job_id) for job_id in (*ids, *self._media.sweep(TICKET_TIMEOUT_S)))
        return [JobRecord.from_fields(fields) for fields in found if fields]
