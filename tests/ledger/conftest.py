"""A ledger on an empty Redis, and a stand-in for a worker: the ledger's own worker side, without Celery."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from arc_fabric.ids import new_id
from arc_fabric.ledger import Claim, Commit, JobRecord, Ledger, Limits, NodeRecord, SessionRecord


@dataclass
class Hand:
    """One worker process as the ledger sees it."""

    ledger: Ledger
    name: str
    boot: str

    @classmethod
    def up(cls, ledger: Ledger, name: str, boot: str = "boot") -> Hand:
        """A worker that has loaded its model."""
        ledger.leases.take(name, boot, {"name": name, "boot_id": boot, "role": "gpu", "state": "idle", "device": "cpu"})
        return cls(ledger, name, boot)

    def claim(self, job: JobRecord) -> Claim:
        """Hold this job's ticket."""
        return self.ledger.execution.claim(self.name, self.boot, job.id)

    def commit_node(self, claim: Claim, *, final: bool = True, node_id: str | None = None, **fields: Any) -> str:
        """Commit the next node of a claimed job (a root for `create`); returns the ledger's answer."""
        session, job = self.ledger.sessions.get(claim.session.id), claim.job
        root = session.head is None
        node_id = node_id or new_id("ckp")
        node = NodeRecord(
            id=node_id,
            parent=session.head,
            session_id=session.id,
            tree_id=node_id if root else session.tree_id,
            frame_index=0 if root else session.frame_index + 1,
            prompt=session.prompt,
            seed=session.seed,
            job_id=job.id,
            worker=self.name,
            n_frames=1 if root else 8,
            **fields,
        )
        change: dict[str, Any] = {"head": node.id, "frame_index": node.frame_index}
        if root:
            change |= {"root": node.id, "tree_id": node.id}
        answer, _ = self.ledger.execution.commit(
            self.name,
            self.boot,
            Commit(
                session.id,
                job.id,
                claim.session.epoch,
                node=node,
                session=change,
                step={"checkpoint_id": node.id, "frame_index": node.frame_index},
                final="succeeded" if final else None,
                result={"head": node.id},
            ),
        )
        return answer

    def finish(self, claim: Claim, final: str = "succeeded", **kwargs: Any) -> str:
        """End a claimed job without a node."""
        return self.ledger.execution.commit(
            self.name,
            self.boot,
            Commit(claim.session.id, claim.job.id, claim.session.epoch, final=final, **kwargs),
        )[0]

    def opened(self, prompt: str = "pick up the red cup") -> SessionRecord:
        """A session whose root this worker has made."""
        session, job = self.ledger.sessions.open(prompt=prompt, seed=7, input_key="sample:table")
        self.commit_node(self.claim(job))
        return self.ledger.sessions.get(session.id)

    def stepped(self, session: SessionRecord, steps: int = 1) -> SessionRecord:
        """The session after one step job."""
        job = self.ledger.jobs.submit(session.id, "step", {"steps": steps})
        claim = self.claim(job)
        for i in range(steps):
            self.commit_node(claim, final=i == steps - 1)
        return self.ledger.sessions.get(session.id)


class Clock:
    """The time of a ledger: it stands still until a test lets it pass. Leases and roles then age as much."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(redis_url)
        self._now = time.time()

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        for key in self._redis.scan_iter():
            left = self._redis.pttl(key)
            if left >= 0:
                self._redis.pexpire(key, max(left - round(seconds * 1000), 0))

    def close(self) -> None:
        """Close its connection."""
        self._redis.close()


@pytest.fixture
def clock(redis_url: str) -> Iterator[Clock]:
    """The time of `ledger`."""
    made = Clock(redis_url)
    yield made
    made.close()


@pytest.fixture
def ledger(redis_url: str, clock: Clock) -> Iterator[Ledger]:
    """A ledger with small limits on an empty database; a lease lasts a minute of its clock."""
    limits = Limits(max_jobs_per_session=20, max_jobs_total=50, max_steps_per_job=50, lease_ttl_s=60)
    made = Ledger(redis_url, limits=limits, clock=clock)
    yield made
    made.close()


@pytest.fixture
def hand(ledger: Ledger) -> Hand:
    """The worker gpu.0."""
    return Hand.up(ledger, "gpu.0")
