"""Accepting, ordering, refusing, cancelling and listing jobs; claims and commits."""

from __future__ import annotations

import threading

import pytest

from arc_fabric.errors import HeadMoved, IdempotencyMismatch, InvalidRequest, JobNotFound, TooManyJobs
from arc_fabric.ids import new_id
from arc_fabric.ledger import Commit, Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Hand


def test_jobs_run_in_accepted_order_whatever_ticket_comes_first(ledger: Ledger, hand: Hand) -> None:
    """The ticket of the third job lets the worker run the first; sequence numbers count up."""
    session = hand.opened()
    jobs = [ledger.jobs.submit(session.id, "step") for _ in range(3)]
    assert [j.seq for j in jobs] == [2, 3, 4]
    for expected in jobs:
        claim = hand.claim(jobs[2])
        assert claim.job.id == expected.id
        assert hand.commit_node(claim) == "ok"
    assert hand.claim(jobs[2]).outcome == "done"
    assert hand.claim(jobs[0]).outcome == "done"


def test_a_commit_is_one_effect_and_repeats_are_harmless(ledger: Ledger, hand: Hand) -> None:
    """Node, head and job change together; the same commit again changes nothing."""
    session = hand.opened()
    claim = hand.claim(ledger.jobs.submit(session.id, "step", {"steps": 2}))
    node_id = new_id("ckp")
    assert hand.commit_node(claim, final=False, node_id=node_id) == "ok"
    assert hand.commit_node(claim, final=False, node_id=node_id) == "ok"
    job, after = ledger.jobs.get(claim.job.id), ledger.sessions.get(session.id)
    assert (job.state, job.progress) == ("running", {"done": 1, "total": 2})
    assert (after.head, after.frame_index, after.running_job) == (node_id, 1, job.id)
    assert ledger.nodes.get(session.head).children == [node_id]
    hand.commit_node(claim)
    done = ledger.jobs.get(job.id)
    assert (done.state, done.progress) == ("succeeded", {"done": 2, "total": 2})
    assert [s["frame_index"] for s in done.result["steps"]] == [1, 2]
    assert done.timings["run_s"] >= 0 <= done.timings["queued_s"]


def test_a_cancelled_job_takes_no_further_effect(ledger: Ledger, hand: Hand) -> None:
    """Cancelling a running job refuses its next commit; what was committed stays; the next job runs."""
    session = hand.opened()
    first, second = (
        ledger.jobs.submit(session.id, "step", {"steps": 3}),
        ledger.jobs.submit(session.id, "step"),
    )
    claim = hand.claim(first)
    hand.commit_node(claim, final=False)
    cancelled = ledger.jobs.cancel(first.id)
    assert (cancelled.state, cancelled.progress["done"], len(cancelled.result["steps"])) == (
        "cancelled",
        1,
        1,
    )
    assert hand.commit_node(claim, final=False) == "ended"
    assert ledger.sessions.get(session.id).frame_index == 1
    assert hand.claim(second).job.id == second.id
    assert ledger.jobs.cancel(first.id).state == "cancelled"
    with pytest.raises(JobNotFound):
        ledger.jobs.cancel("job_none")


def test_a_queued_job_can_be_cancelled(ledger: Ledger, hand: Hand) -> None:
    """It vanishes from the mailbox; its neighbours keep their order."""
    session = hand.opened()
    a, b, c = (ledger.jobs.submit(session.id, "step") for _ in range(3))
    ledger.jobs.cancel(b.id)
    assert ledger.redis.lrange(keys.mailbox(session.id), 0, -1) == [a.id, c.id]
    assert hand.claim(b).outcome == "done"


def test_if_head_is_checked_at_submit_and_at_start(ledger: Ledger, hand: Hand) -> None:
    """A wrong head is refused at once; a head that moves while the job waits fails it; later jobs still run."""
    session = hand.opened()
    with pytest.raises(HeadMoved) as refusal:
        ledger.jobs.submit(session.id, "step", if_head="ckp_other")
    assert refusal.value.context["head"] == session.head
    moving = ledger.jobs.submit(session.id, "step")
    strict = ledger.jobs.submit(session.id, "step", if_head=session.head)
    later = ledger.jobs.submit(session.id, "step")
    hand.commit_node(hand.claim(moving))
    assert hand.claim(later).job.id == later.id
    failed = ledger.jobs.get(strict.id)
    assert (failed.state, failed.error["type"]) == ("failed", "HeadMoved")


def test_a_repeated_key_returns_the_first_job(ledger: Ledger, hand: Hand) -> None:
    """One effect per Idempotency-Key, also after the job has finished; another request with it is refused."""
    session = hand.opened()
    first = ledger.jobs.submit(session.id, "step", {"steps": 2}, idempotency_key="k", if_head=session.head)
    ledger.jobs.cancel(first.id)
    again = ledger.jobs.submit(session.id, "step", {"steps": 2}, idempotency_key="k", if_head=session.head)
    assert (again.id, again.replayed, again.state) == (first.id, True, "cancelled")
    with pytest.raises(IdempotencyMismatch):
        ledger.jobs.submit(session.id, "step", {"steps": 3}, idempotency_key="k", if_head=session.head)


def test_full_queues_refuse_and_say_when_to_come_back(ledger: Ledger, hand: Hand) -> None:
    """Per session and in all; a refused job leaves nothing behind."""
    sessions = [hand.opened() for _ in range(3)]
    for _ in range(20):
        ledger.jobs.submit(sessions[0].id, "step")
    with pytest.raises(TooManyJobs) as refusal:
        ledger.jobs.submit(sessions[0].id, "step")
    assert refusal.value.context == {"unfinished": 20, "limit": 20, "retry_after": 2}
    for i in range(30):
        ledger.jobs.submit(sessions[1 + i % 2].id, "step")
    with pytest.raises(TooManyJobs):
        ledger.jobs.submit(sessions[1].id, "step")
    with pytest.raises(TooManyJobs):
        ledger.sessions.open(prompt="p", input_key="sample:table")
    assert ledger.counts()["jobs_unfinished"] == 50


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("step", {"steps": 0}),
        ("step", {"steps": 51}),
        ("step", {"steps": True}),
        ("step", {"steps": "2"}),
        ("step", {"steps": 2, "actions": [[[0.0]]]}),
        ("rewind", {"n_steps": 0}),
        ("dance", {}),
    ],
)
def test_impossible_jobs_are_refused(ledger: Ledger, hand: Hand, kind: str, params: dict) -> None:
    """Bad parameters never become a job."""
    session = hand.opened()
    with pytest.raises(InvalidRequest):
        ledger.jobs.submit(session.id, kind, params)
    assert ledger.counts()["jobs_unfinished"] == 0


def test_waiting_ends_when_the_job_does(ledger: Ledger, hand: Hand) -> None:
    """A waiter is woken by the job's end; a too short wait returns the job as it is."""
    session = hand.opened()
    job = ledger.jobs.submit(session.id, "step")
    assert ledger.jobs.wait(job.id, 0.05).state == "queued"
    claim = hand.claim(job)
    threading.Timer(0.3, hand.commit_node, [claim]).start()
    assert ledger.jobs.wait(job.id, 10).state == "succeeded"


def test_jobs_are_listed_by_session_state_and_kind(ledger: Ledger, hand: Hand) -> None:
    """Newest first, in pages, filtered."""
    session, other = hand.opened(), hand.opened()
    jobs = [ledger.jobs.submit(session.id, "step") for _ in range(4)]
    hand.commit_node(hand.claim(jobs[0]))
    assert [j.id for j in ledger.jobs.page(session=session.id, kind="step", state="queued").items] == [
        j.id for j in sorted(jobs[1:], key=lambda j: j.id, reverse=True)
    ]
    page = ledger.jobs.page(limit=4)
    rest = ledger.jobs.page(limit=4, cursor=page.next)
    assert len(page.items) == 4 and len(rest.items) == 2 and rest.next is None
    assert {j.session_id for j in [*page.items, *rest.items]} == {session.id, other.id}


def test_jobs_of_a_state_are_found_without_reading_all(ledger: Ledger, hand: Hand) -> None:
    """Three that failed among five hundred: what is read does not grow with the others."""
    session = hand.opened()
    for _ in range(3):
        claim = hand.claim(ledger.jobs.submit(session.id, "step"))
        ledger.execution.commit(
            hand.name, hand.boot, Commit(session.id, claim.job.id, claim.session.epoch, final="failed", error=ERROR)
        )
    ledger.jobs.accept_many([ledger.jobs.request(session.id, "step") for _ in range(500)])
    ledger.jobs.page(state="failed")
    ledger.redis.config_resetstat()
    assert len(ledger.jobs.page(state="failed").items) == 3
    stats = ledger.redis.info("commandstats")
    assert sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hget", "hgetall", "hmget")) < 60


ERROR = {"type": "ModelError", "message": "for a test", "what_to_do": "", "context": {}}
