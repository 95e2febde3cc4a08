"""Many requests at once; and forgetting what finished long ago."""

from __future__ import annotations

from arc_fabric.errors import CheckpointNotFound, HeadMoved, TooManyJobs
from arc_fabric.ids import new_id
from arc_fabric.ledger import Accepted, Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Clock, Hand


def test_many_requests_are_accepted_in_order_each_by_itself(ledger: Ledger, hand: Hand) -> None:
    """Steps and forks in few round trips: numbered in this order; what is refused does not stop the others; the limits
    hold; the same keys again bring the same jobs."""
    session = hand.opened()
    requests = [
        ledger.jobs.request(session.id, "step", {"steps": 1}, idempotency_key="a"),
        ledger.jobs.request(session.id, "step", if_head=new_id("ckp")),
        ledger.sessions.fork_request(checkpoint_id=new_id("ckp")),
        ledger.sessions.fork_request(checkpoint_id=session.head, bulk=True, steps=2, idempotency_key="b"),
        ledger.jobs.request(session.id, "rewind", {"n_steps": 1}),
    ]
    step, moved, absent, fork, rewind = ledger.jobs.accept_many(requests)
    assert (step.job.seq, rewind.job.seq) == (2, 3) and step.session is None
    assert isinstance(moved, HeadMoved) and isinstance(absent, CheckpointNotFound)
    assert fork.session.parent_checkpoint == session.head and fork.job.session_id == fork.session.id
    assert ledger.redis.lrange(keys.mailbox(session.id), 0, -1) == [step.job.id, rewind.job.id]
    again = ledger.jobs.accept_many([
        ledger.jobs.request(session.id, "step", {"steps": 1}, idempotency_key="a"),
        ledger.sessions.fork_request(checkpoint_id=session.head, bulk=True, steps=2, idempotency_key="b"),
    ])  # fmt: skip
    assert [a.job.id for a in again] == [step.job.id, fork.job.id]
    assert all(a.job.replayed for a in again) and again[1].session.id == fork.session.id
    room = ledger.limits.max_jobs_total - 3
    many = ledger.jobs.accept_many([ledger.sessions.fork_request(checkpoint_id=session.head, steps=1, bulk=True)] * 1)
    many += ledger.jobs.accept_many(
        [ledger.sessions.fork_request(checkpoint_id=session.head, steps=1, bulk=True, seed=i) for i in range(room + 5)]
    )
    refused = [m for m in many if not isinstance(m, Accepted)]
    assert len(refused) == 6 and {type(r) for r in refused} == {TooManyJobs}


def test_many_requests_reach_a_redis_that_has_forgotten_the_scripts(ledger: Ledger, hand: Hand) -> None:
    """After a restart the first call loads them."""
    session = hand.opened()
    ledger.redis.script_flush()
    (step,) = ledger.jobs.accept_many([ledger.jobs.request(session.id, "step")])
    assert step.job.state == "queued"
    ledger.redis.script_flush()
    assert ledger.jobs.submit(session.id, "step").seq == step.job.seq + 1


def test_a_job_that_gives_way_loses_no_attempt(ledger: Ledger, hand: Hand) -> None:
    """However often it yields, it is not taken for one that kills workers; where the worker is at fault it counts."""
    session = hand.opened()
    job = ledger.jobs.submit(session.id, "step")
    for _ in range(10):
        claim = hand.claim(job)
        assert ledger.execution.requeue("gpu.0", "boot", session.id, job.id, job.id, claim.session.epoch).id == job.id
    for _ in range(6):
        claim = hand.claim(job)
        ledger.execution.requeue("gpu.0", "boot", session.id, job.id, job.id, claim.session.epoch, failed=True)
    assert hand.claim(job).outcome == "done"
    assert ledger.jobs.get(job.id).error["type"] == "ServiceError"


def test_jobs_that_finished_long_ago_are_forgotten_and_no_others(ledger: Ledger, hand: Hand, clock: Clock) -> None:
    """By age, and by number from the oldest; out of the listings too. What is not finished stays, however old."""
    session = hand.opened()
    held = ledger.jobs.submit(session.id, "step")
    for _ in range(5):
        other = hand.opened()
        ledger.sessions.close(other.id)
    young = ledger.jobs.get(ledger.jobs.page(session=other.id).items[0].id)
    assert ledger.jobs.forget(older_than_s=86_400, more_than=1) == 0  # all finished less than a day ago
    assert ledger.jobs.forget(older_than_s=86_400, more_than=4, younger_than_s=0) == 3
    left = [j.id for j in ledger.jobs.page(limit=50).items]
    assert len(left) == 4 and {held.id, young.id} <= set(left)
    assert [j.id for j in ledger.jobs.page(session=session.id).items] == [held.id]
    clock.advance(1)
    assert ledger.jobs.forget(older_than_s=0, more_than=100) == 3
    assert [j.id for j in ledger.jobs.page(limit=50).items] == [held.id]
    assert ledger.sessions.get(other.id).head and hand.claim(held).outcome == "run"
