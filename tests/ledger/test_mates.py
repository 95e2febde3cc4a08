"""Jobs that may step together: one worker takes several, each with its own owner and epoch."""

from __future__ import annotations

import pytest

from arc_fabric.ledger import Claim, JobRecord, Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Hand


@pytest.fixture
def at(ledger: Ledger) -> str:
    """A root to fork."""
    hand = Hand.up(ledger, "gpu.0")
    session, job = ledger.sessions.open(prompt="p", input_key="k")
    assert hand.commit_node(hand.claim(job)) == "ok"
    head = ledger.sessions.get(session.id).head
    ledger.sessions.close(session.id)
    return str(head)


def _forks(ledger: Ledger, at: str, count: int, batch: str | None = "exact") -> list[JobRecord]:
    """In the order of their ids, which is theirs in every list."""
    made = [ledger.sessions.fork(checkpoint_id=at, seed=seed, steps=3, bulk=True, batch=batch) for seed in range(count)]  # type: ignore[arg-type]
    return sorted((job for _, job in made), key=lambda job: job.id)


def _mates(hand: Hand, job: JobRecord, most: int = 3) -> list[str]:
    return [claim.job.id for claim in _claims(hand, job, most) if claim.job]


def _claims(hand: Hand, job: JobRecord, most: int = 3) -> list[Claim]:
    return hand.ledger.execution.mates(hand.name, hand.boot, job.id, most)


def test_the_oldest_that_wait_are_taken_along(ledger: Ledger, at: str) -> None:
    hand = Hand.up(ledger, "gpu.0")
    jobs = _forks(ledger, at, 6)
    hand.claim(jobs[0])
    claims = _claims(hand, jobs[0])
    assert [claim.job.id for claim in claims] == [job.id for job in jobs[1:4]]
    assert all(
        (claim.session.worker, claim.session.epoch, claim.job.state) == ("gpu.0", 1, "running") for claim in claims
    )
    assert all(hand.commit_node(claim) == "ok" for claim in claims)
    assert ledger.jobs.get(jobs[5].id).state == "queued"


def test_their_tickets_find_nothing_to_do(ledger: Ledger, at: str) -> None:
    """While the job runs another worker sends its ticket on to the one that runs it; afterwards it is done."""
    hand, jobs = Hand.up(ledger, "gpu.0"), _forks(ledger, at, 3)
    hand.claim(jobs[0])
    claims = _claims(hand, jobs[0])
    other = Hand.up(ledger, "gpu.1")
    answer = other.claim(jobs[1])
    assert (answer.outcome, answer.job and (answer.job.id, answer.job.queue)) == ("elsewhere", (jobs[1].id, "gpu.0"))
    assert other.claim(jobs[1]).job is None, "and that once"
    hand.commit_node(claims[0])
    assert other.claim(jobs[1]).outcome == "done"


def test_a_worker_takes_its_share_and_no_more(ledger: Ledger, at: str) -> None:
    hand, other = Hand.up(ledger, "gpu.0"), Hand.up(ledger, "gpu.1")
    jobs = _forks(ledger, at, 4)
    hand.claim(jobs[0])
    assert _mates(hand, jobs[0]) == [jobs[1].id]
    other.claim(jobs[2])
    assert _mates(other, jobs[2]) == [], "one of two is half of them"


def test_modes_and_places_do_not_mix(ledger: Ledger, at: str) -> None:
    hand = Hand.up(ledger, "gpu.0")
    alone, fast, exact = (_forks(ledger, at, 2, batch)[0] for batch in (None, "fast", "exact"))
    hand.claim(exact)
    hand.commit_node(hand.claim(exact), final=False, window_start=0)
    hand.ledger.execution.requeue(hand.name, hand.boot, exact.session_id, exact.id, exact.id, 1)
    later = _forks(ledger, at, 1)[0]
    hand.claim(later)
    assert exact.id not in _mates(hand, later), "it stands a step further on"
    hand.claim(alone)
    assert _mates(hand, alone) == []
    hand.claim(fast)
    assert len(_mates(hand, fast)) == 1


def test_asked_again_it_answers_the_same(ledger: Ledger, at: str) -> None:
    hand, jobs = Hand.up(ledger, "gpu.0"), _forks(ledger, at, 8)
    hand.claim(jobs[0])
    assert _mates(hand, jobs[0]) == _mates(hand, jobs[0]) == [job.id for job in jobs[1:4]]


def test_who_gave_way_is_taken_along_again(ledger: Ledger, at: str) -> None:
    hand, jobs = Hand.up(ledger, "gpu.0"), _forks(ledger, at, 3)
    hand.claim(jobs[0])
    for claim in (*_claims(hand, jobs[0]), hand.claim(jobs[0])):
        execution, job = ledger.execution, claim.job
        assert execution.requeue(hand.name, hand.boot, job.session_id, job.id, job.id, claim.session.epoch)
    hand.claim(jobs[2])
    assert _mates(hand, jobs[2]) == [jobs[0].id, jobs[1].id]


def test_a_job_whose_worker_died_at_once_runs_alone(ledger: Ledger, at: str) -> None:
    hand, jobs = Hand.up(ledger, "gpu.0"), _forks(ledger, at, 4)
    hand.claim(jobs[0])
    _claims(hand, jobs[0], 1)
    ledger.leases.release("gpu.0", "boot")
    again = Hand.up(ledger, "gpu.0", "second")
    assert again.claim(jobs[1]).outcome == "run"
    assert _mates(again, jobs[1]) == [], "it may be what killed it"
    again.claim(jobs[2])
    assert _mates(again, jobs[2]) == [jobs[3].id], "nor is the other one taken along"


def test_what_is_over_waits_no_more(ledger: Ledger, at: str) -> None:
    jobs = _forks(ledger, at, 2)
    ledger.jobs.cancel(jobs[0].id)
    ledger.sessions.close(jobs[1].session_id)
    assert list(ledger.redis.scan_iter(keys.mates("*"))) == []


def test_a_worker_that_lost_its_lease_takes_nothing(ledger: Ledger, at: str) -> None:
    hand, jobs = Hand.up(ledger, "gpu.0"), _forks(ledger, at, 2)
    hand.claim(jobs[0])
    ledger.leases.release("gpu.0", "boot")
    assert _mates(hand, jobs[0]) == []
