"""Owners, epochs, moving, sweeping: who may write, and where work goes."""

from __future__ import annotations

from arc_fabric.ledger import Commit, Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Clock, Hand


def test_an_owner_that_lost_its_lease_is_fenced(ledger: Ledger, clock: Clock) -> None:
    """After a sweep gave the session away, the former owner's commit is refused, the new owner's is not."""
    old = Hand.up(ledger, "gpu.0", "old")
    session = old.opened()
    job = ledger.jobs.submit(session.id, "step", {"steps": 2})
    claim = old.claim(job)
    old.commit_node(claim, final=False)
    clock.advance(61)
    new = Hand.up(ledger, "gpu.1", "new")
    (ticket,) = ledger.execution.sweep()
    assert (ticket.id, ticket.queue, ticket.placement["reason"]) == (job.id, "gpu.1", "moved: gpu.0 is gone")
    assert old.commit_node(claim) == "fenced"
    taken = new.claim(ticket)
    assert (taken.job.progress["done"], taken.session.epoch) == (1, claim.session.epoch + 1)
    assert new.commit_node(taken) == "ok"
    assert ledger.execution.sweep() == []
    assert ledger.workers.find("gpu.0").state == "down"


def test_a_restart_under_the_same_name_is_another_owner(ledger: Ledger) -> None:
    """The boot id tells the processes apart: the older one cannot renew, claim or commit."""
    old = Hand.up(ledger, "gpu.0", "old")
    session = old.opened()
    claim = old.claim(ledger.jobs.submit(session.id, "step"))
    new = Hand.up(ledger, "gpu.0", "new")
    assert not ledger.leases.renew("gpu.0", "old", {})
    assert old.claim(claim.job).outcome == "fenced"
    (ticket,) = ledger.execution.sweep()
    assert old.commit_node(claim) == "fenced"
    assert new.commit_node(new.claim(ticket)) == "ok"


def test_a_lease_that_ran_out_is_taken_back_when_nobody_has_it(ledger: Ledger, clock: Clock) -> None:
    """A pause without a sweep costs nothing: the epoch is the same and the commit is good."""
    hand = Hand.up(ledger, "gpu.0")
    session = hand.opened()
    claim = hand.claim(ledger.jobs.submit(session.id, "step"))
    clock.advance(61)
    assert ledger.leases.renew("gpu.0", "boot", {"state": "idle"})
    assert hand.commit_node(claim) == "ok"


def test_a_ticket_at_the_wrong_worker_is_forwarded_once(ledger: Ledger, hand: Hand) -> None:
    """The owner is alive elsewhere: the ticket goes there if none of this epoch went before."""
    other = Hand.up(ledger, "gpu.1")
    session = hand.opened()
    owner, stranger = (hand, other) if session.worker == "gpu.0" else (other, hand)
    job = ledger.jobs.submit(session.id, "step")
    claim = stranger.claim(job)
    assert (claim.outcome, claim.job) == ("elsewhere", None)
    assert owner.claim(job).outcome == "run"


def test_jobs_of_ownerless_sessions_are_taken_by_the_first_worker(ledger: Ledger) -> None:
    """Jobs accepted while nobody was up wait in the shared queue; whoever takes a ticket owns the session, and the
    session's other tickets follow it there, once."""
    session, create = ledger.sessions.open(prompt="p", input_key="sample:table")
    a, b = Hand.up(ledger, "gpu.0"), Hand.up(ledger, "gpu.1")
    a.commit_node(a.claim(create))
    assert ledger.sessions.get(session.id).worker == "gpu.0"
    job = ledger.jobs.submit(session.id, "step")
    assert job.queue == "gpu.0"
    ledger.redis.hset(keys.job(job.id), "_sent", "0")  # as if its ticket had gone to the shared queue before
    forwarded = b.claim(job)
    assert (forwarded.outcome, forwarded.job.queue) == ("elsewhere", "gpu.0")
    assert b.claim(job).job is None


def test_sessions_spread_and_stay_and_move_when_another_is_idle(ledger: Ledger, hand: Hand) -> None:
    """New sessions go to the emptier worker; a session leaves an overloaded owner only for an idle worker."""
    other = Hand.up(ledger, "gpu.1")
    by_name = {"gpu.0": hand, "gpu.1": other}
    sessions = []
    for _ in range(4):
        session, job = ledger.sessions.open(prompt="p", input_key="sample:table")
        by_name[session.worker].commit_node(by_name[session.worker].claim(job))
        sessions.append(ledger.sessions.get(session.id))
    assert sorted(s.worker for s in sessions) == ["gpu.0", "gpu.0", "gpu.1", "gpu.1"]
    mine = [s for s in sessions if s.worker == "gpu.0"]
    ledger.jobs.submit(mine[0].id, "step", {"steps": 4})
    stays = ledger.jobs.submit(mine[1].id, "step")
    assert stays.placement == {"worker": "gpu.0", "reason": "holds the state"}
    by_name["gpu.0"].commit_node(by_name["gpu.0"].claim(stays))
    ledger.jobs.submit(mine[0].id, "step", {"steps": 4})
    moves = ledger.jobs.submit(mine[1].id, "step")
    assert moves.placement == {"worker": "gpu.1", "reason": "moved: gpu.0 has 8 steps waiting, gpu.1 is idle"}
    assert ledger.sessions.get(mine[1].id).epoch == mine[1].epoch + 1
    assert other.commit_node(other.claim(moves)) == "ok"


def test_a_draining_worker_gets_no_sessions(ledger: Ledger, hand: Hand) -> None:
    """Its record says so; what it yields goes to another worker."""
    other = Hand.up(ledger, "gpu.1")
    session = hand.opened()
    owner = hand if session.worker == "gpu.0" else other
    job = ledger.jobs.submit(session.id, "step", {"steps": 2})
    claim = owner.claim(job)
    owner.commit_node(claim, final=False)
    ledger.leases.renew(owner.name, owner.boot, {"state": "draining"})
    ticket = ledger.execution.requeue(owner.name, owner.boot, session.id, job.id, job.id, claim.session.epoch)
    assert ticket.queue != owner.name and ticket.placement["worker"] == ticket.queue
    fresh, _ = ledger.sessions.open(prompt="p", input_key="sample:table")
    assert fresh.worker == ticket.queue


def test_lost_tickets_are_found_by_their_silence(ledger: Ledger, hand: Hand, clock: Clock) -> None:
    """A queued job that no queue holds and nobody runs gets a new ticket, with growing pauses; a running one not."""
    session = hand.opened()
    jobs = [ledger.jobs.submit(session.id, "step") for _ in range(2)]
    assert ledger.execution.sweep() == []
    clock.advance(3.1)
    assert [t.id for t in ledger.execution.sweep()] == [jobs[0].id]
    assert ledger.execution.sweep() == []
    clock.advance(3.1)
    assert ledger.execution.sweep() == []  # the second pause is longer
    ledger.redis.lpush("gpu.0", "a ticket")
    clock.advance(3.1)
    assert ledger.execution.sweep() == []  # the queue is not empty: it may be ours
    ledger.redis.delete("gpu.0")
    hand.claim(jobs[0])
    clock.advance(10)
    assert ledger.execution.sweep() == []  # it runs


def test_a_lost_interactive_ticket_is_found_while_bulk_work_keeps_the_worker_busy(
    ledger: Ledger, hand: Hand, clock: Clock
) -> None:
    """Bulk work gives way to the job whose ticket was lost, so it must not wait for the end of the bulk work; a bulk
    ticket that does not come is taken for one that waits for its turn."""
    session = hand.opened()
    _, running = ledger.sessions.fork(checkpoint_id=session.head, bulk=True, steps=5)
    _, waiting = ledger.sessions.fork(checkpoint_id=session.head, bulk=True, steps=5)
    hand.claim(running)
    ledger.redis.lpush("gpu.0\x06\x163", "a bulk ticket that gave way")
    lost = ledger.jobs.submit(session.id, "step")
    clock.advance(3.1)
    sent = [t.id for t in ledger.execution.sweep()]
    assert lost.id in sent and running.id not in sent
    assert waiting.id in sent  # it has no owner, and no queue that it could be in holds a ticket


def test_a_job_that_keeps_killing_workers_fails(ledger: Ledger) -> None:
    """After six lost workers in a row without a commit the job fails with the reason, and the next one may run."""
    hand = Hand.up(ledger, "gpu.0", "boot0")
    session = hand.opened()
    poison, innocent = ledger.jobs.submit(session.id, "step"), ledger.jobs.submit(session.id, "step")
    for i in range(1, 7):
        assert hand.claim(poison).job.id == poison.id
        hand = Hand.up(ledger, "gpu.0", f"boot{i}")
        ledger.execution.sweep()
    assert hand.claim(poison).outcome == "done"
    assert ledger.jobs.get(poison.id).error["type"] == "ServiceError"
    assert hand.claim(innocent).job.id == innocent.id


def test_one_holder_per_role(ledger: Ledger, clock: Clock) -> None:
    """A role passes on when its holder stops renewing."""
    assert ledger.leases.hold("reaper", "a", 1)
    assert not ledger.leases.hold("reaper", "b", 1)
    assert ledger.leases.hold("reaper", "a", 1)
    clock.advance(1)
    assert ledger.leases.hold("reaper", "b", 1)


def test_after_a_move_tickets_follow_one_by_one(ledger: Ledger, clock: Clock) -> None:
    """A change of owner sends one ticket, however many jobs wait; each job's end names the next that needs one."""
    old = Hand.up(ledger, "gpu.0", "old")
    session = old.opened()
    jobs = [ledger.jobs.submit(session.id, "step") for _ in range(4)]
    clock.advance(61)
    new = Hand.up(ledger, "gpu.1", "new")
    assert [t.id for t in ledger.execution.sweep()] == [jobs[0].id]
    ledger.jobs.cancel(jobs[1].id)
    claim = new.claim(jobs[0])
    answer = ledger.execution.commit(
        "gpu.1", "new", Commit(session.id, jobs[0].id, claim.session.epoch, final="succeeded")
    )
    assert answer == ("ok", jobs[2].id)
    ledger.jobs.cancel(jobs[2].id)
    following = new.claim(jobs[2])  # its ticket comes to nothing, but the last job gets one
    assert (following.outcome, following.job.id, following.job.queue) == ("done", jobs[3].id, "gpu.1")
    assert new.claim(jobs[2]).job is None
