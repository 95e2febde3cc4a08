"""Requests for jobs, made and checked first, accepted later: one alone, or many in few round trips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger.base import LedgerBase, refusal
from arc_fabric.ledger.records import JobRecord, SessionRecord

QUEUE, PRIORITY = "<queue>", "<priority>"
"""In a ticket they stand for what the script decides (lua/placement.lua: send); the priority within quotes."""
PER_ROUND_TRIP = 500
"""About 2 MB there and 1.5 MB back. Redis serves others in between: it reads a few requests of one client at a time."""


@dataclass(frozen=True)
class JobRequest:
    """One call of the script that accepts it, as a whole or not at all."""

    script: str
    job: JobRecord
    """As it was asked for: neither numbered nor routed."""
    args: tuple[str | int | float, ...]
    ticket: str = ""
    """A message of the broker, with QUEUE and PRIORITY in it, that is sent in the moment in which the job is accepted;
    without one, whoever asks for the job sends its ticket."""

    def with_ticket(self, ticket: str) -> JobRequest:
        """The same request, to be sent by the ledger."""
        return replace(self, ticket=ticket)

    def call(self) -> tuple[str, tuple[str | int | float, ...]]:
        """Script and arguments."""
        return self.script, (*self.args, self.ticket)


@dataclass(frozen=True)
class Accepted:
    """An accepted job; `session` is the new one of a create or fork."""

    job: JobRecord
    session: SessionRecord | None = None


class Acceptance(LedgerBase):
    """The part of the ledger that accepts requests."""

    def accept(self, request: JobRequest) -> Accepted:
        """Accept one request. Raises the error with which it is refused."""
        script, args = request.call()
        answer = self.scripts.run(script, *args)
        refused = refusal(answer)
        if refused is not None:
            raise refused
        return self._accepted(request, answer)

    def accept_many(self, requests: Sequence[JobRequest]) -> list[Accepted | ArcFabricError]:
        """Accept requests in this order; each by itself: one that is refused does not stop the others.

        What was accepted before a connection broke stays accepted; who asks again uses the same Idempotency-Keys.
        """
        found: list[Accepted | ArcFabricError] = []
        for start in range(0, len(requests), PER_ROUND_TRIP):
            part = requests[start : start + PER_ROUND_TRIP]
            answers = self.scripts.run_many([r.call() for r in part])
            found += [refusal(a) or self._accepted(r, a) for r, a in zip(part, answers, strict=True)]
        return found

    def _accepted(self, request: JobRequest, answer: list[Any]) -> Accepted:
        """The records in an answer; what had been accepted before is read."""
        if len(answer) < 3:
            job = self.job(answer[1])
            job.replayed = answer[0] == "replayed"
            return Accepted(job, self.session(job.session_id) if request.script == "open" else None)
        return Accepted(JobRecord.decoded(answer[2]), SessionRecord.decoded(answer[3]) if len(answer) > 3 else None)
