"""Sessions with a client's lease: closed when their client vanished, and never because the server was away."""

from __future__ import annotations

import pytest

from arc_fabric.errors import SessionClosed
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Clock, Hand


def open_session(ledger: Ledger, hand: Hand, lease_s: float | None) -> str:
    """A session with its root."""
    session, job = ledger.sessions.open(prompt="cup", input_key="sample:table", lease_s=lease_s)
    hand.commit_node(hand.claim(job))
    return session.id


def let_pass(ledger: Ledger, clock: Clock, seconds: int) -> list[str]:
    """Time passes while the reaper looks every second; the sessions that were closed."""
    closed = []
    for _ in range(seconds):
        clock.advance(1)
        closed += ledger.sessions.lapse()
    return closed


def test_a_silent_client_loses_its_session(ledger: Ledger, hand: Hand, clock: Clock) -> None:
    """Heartbeats and new work keep it; after the lease without either it is closed, its job cancelled, its slot free;
    what has no lease stays. Reopened, it has none either."""
    ledger.sessions.lapse()
    stays, goes = open_session(ledger, hand, None), open_session(ledger, hand, 10)
    for _ in range(5):
        assert let_pass(ledger, clock, 9) == []
        assert ledger.sessions.heartbeat(goes).lease_s == 10
    assert let_pass(ledger, clock, 9) == []
    job = ledger.jobs.submit(goes, "step")
    assert let_pass(ledger, clock, 9) == []
    assert let_pass(ledger, clock, 2) == [goes]
    assert (
        ledger.jobs.get(job.id).state == "cancelled" and "no sign of life" in ledger.jobs.get(job.id).error["message"]
    )
    assert ledger.sessions.get(stays).state == "open" and ledger.counts()["sessions_open"] == 1
    with pytest.raises(SessionClosed, match="no sign of life for 10"):
        ledger.jobs.submit(goes, "step")
    with pytest.raises(SessionClosed):
        ledger.sessions.heartbeat(goes)
    assert ledger.sessions.reopen(goes).lease_s is None
    assert let_pass(ledger, clock, 30) == [] and ledger.jobs.submit(goes, "step").state == "queued"
    assert not ledger.redis.exists(keys.CLIENT_LEASES)
    ledger.sessions.close(goes)
    assert ledger.sessions.reopen(goes, 10).lease_s == 10
    assert let_pass(ledger, clock, 9) == []
    assert let_pass(ledger, clock, 2) == [goes]


def test_a_fork_has_a_lease_of_its_own(ledger: Ledger, hand: Hand, clock: Clock) -> None:
    """It is closed by its own lease, and closing it in order leaves nothing behind."""
    ledger.sessions.lapse()
    trunk = ledger.sessions.get(open_session(ledger, hand, 20))
    forks = [ledger.sessions.fork(checkpoint_id=trunk.head, lease_s=lease_s)[0].id for lease_s in (None, 5, 5)]
    ledger.sessions.close(forks[2])
    assert let_pass(ledger, clock, 7) == [forks[1]]
    assert let_pass(ledger, clock, 20) == [trunk.id]
    assert ledger.sessions.get(forks[0]).state == "open" and not ledger.redis.exists(keys.CLIENT_LEASES)


def test_no_client_is_blamed_for_an_outage(ledger: Ledger, hand: Hand, clock: Clock) -> None:
    """Nobody looked for an hour (Redis or all workers were away): every client has its full lease again."""
    ledger.sessions.lapse()
    session = open_session(ledger, hand, 10)
    clock.advance(3600)
    assert ledger.sessions.lapse() == [] and let_pass(ledger, clock, 9) == []
    ledger.sessions.heartbeat(session)
    assert let_pass(ledger, clock, 9) == []
    assert let_pass(ledger, clock, 2) == [session]
