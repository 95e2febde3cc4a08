"""One job being executed: what its kind's code may use, and how its effects are committed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from arc_fabric.base.present import present
from arc_fabric.ledger import Claim, Commit, JobRecord, NodeRecord, SessionRecord
from arc_fabric.session import Session
from workers.jobs.payloads import Payloads
from workers.process.process import WorkerProcess
from workers.process.retry import through_outages, through_store_outages
from workers.process.runtime import Runtime


class NotOurs(Exception):
    """The job was cancelled or the session has another owner: what was computed is dropped."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


class GivesWay(Exception):
    """The job yields before its next step. `failed`: because this process cannot do it, which counts as an attempt."""

    def __init__(self, *, failed: bool = False) -> None:
        super().__init__()
        self.failed = failed


@dataclass
class JobRun:
    """A claimed job in the task thread. `session` is kept in step with what was committed."""

    process: WorkerProcess
    runtime: Runtime
    payloads: Payloads
    job: JobRecord
    session: SessionRecord
    epoch: int
    timings: dict[str, float] = field(default_factory=dict)
    ended: str | None = None
    """The state of the job's final commit, once the ledger has accepted it."""

    @classmethod
    def of(cls, process: WorkerProcess, payloads: Payloads, claim: Claim) -> JobRun:
        """From the ledger's answer to a ticket."""
        assert process.runtime is not None and claim.job is not None and claim.session is not None
        return cls(process, process.runtime, payloads, claim.job, claim.session, claim.session.epoch)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add to one of the job's timings (seconds)."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = round(self.timings.get(name, 0.0) + time.perf_counter() - start, 6)

    def at_head(self) -> Session:
        """The SDK session at the ledger's head, loaded or made again if it is not in memory."""
        if not self.runtime.holds(self.session):
            with self.timed("restore_s"):
                how = through_store_outages(lambda: self.payloads.fetch(present(self.session.head)))
                session = through_store_outages(lambda: self.runtime.session(self.session))
            self.timings["restored_" + how] = self.timings.get("restored_" + how, 0) + 1
            return session
        return self.runtime.session(self.session)

    def commit(
        self,
        *,
        node: NodeRecord | None = None,
        changes: dict[str, Any] | None = None,
        step: dict[str, Any] | None = None,
        final: str | None = None,
        result: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """One effect. Raises NotOurs."""
        change = Commit(
            self.session.id, self.job.id, self.epoch, node=node, session=changes or {}, step=step, final=final,
            result=result, error=error, timings=self.timings if final else {},
        )  # fmt: skip
        process = self.process
        answer, following = through_outages(
            lambda: process.ledger.execution.commit(process.name, process.boot_id, change)
        )
        if answer != "ok":
            raise NotOurs(answer)
        self.ended = final
        if following is not None:
            process.dispatcher.send(process.ledger.jobs.get(following))
        for name, value in (changes or {}).items():
            setattr(self.session, name, value)

    def opening(self) -> dict[str, Any]:
        """What the result of a fork begins with."""
        return {"session_id": self.session.id, "checkpoint_id": self.job.params["checkpoint_id"]}

    def hand_on(self, ticket: str, *, failed: bool = False) -> bool:
        """Give way before the next step: the ticket goes to where the session belongs by now. `failed`: because this
        process cannot do it. False where the job was not ours any more."""
        process = self.process
        job = through_outages(lambda: process.ledger.execution.requeue(
            process.name, process.boot_id, self.session.id, self.job.id, ticket, self.epoch, failed=failed
        ))  # fmt: skip
        if job is None:
            self.runtime.drop(self.session.id)
            return False
        process.dispatcher.send(job)
        return True

    def succeed(self, result: dict[str, Any], **changes: Any) -> None:
        """End the job, with changes of the session if it has any."""
        self.commit(final="succeeded", result=result, changes=changes)
