"""Opening, forking, closing and listing sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from arc_fabric.errors import (
    CheckpointNotFound,
    CheckpointUnavailable,
    IdempotencyMismatch,
    SessionClosed,
    SessionLimitReached,
    SessionNotFound,
)
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Hand


def test_a_new_session_has_its_create_job_and_an_owner(ledger: Ledger, hand: Hand) -> None:
    """The session is open, its first job has number 1, and a live worker owns it."""
    session, job = ledger.sessions.open(prompt="pick", seed=7, input_key="sample:table", label="first")
    assert (session.state, session.label, session.worker, session.head) == ("open", "first", "gpu.0", None)
    assert (job.kind, job.seq, job.state, job.queue) == ("create", 1, "queued", "gpu.0")
    assert job.placement == {"worker": "gpu.0", "reason": "least loaded"}
    assert job.params["input_key"] == "sample:table"


def test_without_workers_a_job_waits_in_the_shared_queue(ledger: Ledger) -> None:
    """Nothing is refused while all workers are down; the record says what it waits for."""
    session, job = ledger.sessions.open(prompt="pick", input_key="sample:table")
    assert session.worker is None
    assert job.queue == "interactive"
    assert "no worker is up" in job.placement["reason"]


def test_the_sixth_session_is_refused_also_under_concurrency(ledger: Ledger, hand: Hand) -> None:
    """Of twenty simultaneous creations exactly five succeed, and nothing of the others is left."""

    def create(i: int) -> bool:
        try:
            ledger.sessions.open(prompt=f"p{i}", input_key="sample:table")
        except SessionLimitReached as refusal:
            assert refusal.context == {"open": 5, "limit": 5}
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(20))) == 5
    assert ledger.counts()["sessions_open"] == ledger.counts()["jobs_unfinished"] == 5


def test_a_failed_creation_leaves_no_open_session(ledger: Ledger, hand: Hand) -> None:
    """When the create job fails (a bad image), its session is closed and its slot is free."""
    session, job = ledger.sessions.open(prompt="pick", input_key="inputs/none.png")
    hand.finish(
        hand.claim(job),
        "failed",
        error={"type": "InvalidImage", "message": "x", "what_to_do": "", "context": {}},
    )
    assert ledger.sessions.get(session.id).state == "closed"
    assert ledger.counts()["sessions_open"] == 0
    with pytest.raises(SessionClosed):
        ledger.sessions.reopen(session.id)


def test_a_fork_points_at_its_checkpoint_and_copies_nothing(ledger: Ledger, hand: Hand) -> None:
    """A fork's head is the checkpoint itself; prompt and seed are the checkpoint's unless given."""
    trunk = hand.stepped(hand.opened(), steps=3)
    middle = ledger.nodes.lineage(trunk.head)[2]
    fork, job = ledger.sessions.fork(checkpoint_id=middle.id, prompt="push the cup")
    assert (fork.head, fork.tree_id, fork.frame_index, fork.n_frames) == (middle.id, trunk.tree_id, 2, 17)
    assert (fork.prompt, fork.seed, fork.parent_session, fork.forked_at) == ("push the cup", 7, trunk.id, 2)
    assert job.placement == {"worker": "gpu.0", "reason": "the parent's state is there"}
    assert len(ledger.nodes.tree(trunk.tree_id).nodes) == 4
    assert {s.id for s in ledger.nodes.tree(trunk.tree_id).sessions} == {trunk.id, fork.id}


def test_a_fork_without_steps_is_done_when_it_is_accepted(ledger: Ledger, hand: Hand) -> None:
    """No worker takes part: the job has succeeded with the events of any other, and the session can be stepped at once;
    a repeated key brings the same job back, once done."""
    trunk = hand.stepped(hand.opened())
    request = ledger.sessions.fork_request(checkpoint_id=trunk.head, idempotency_key="k")
    fork, job = (accepted := ledger.jobs.accept(request.with_ticket("a ticket"))).session, accepted.job
    assert (job.state, job.worker, job.progress) == ("succeeded", None, {"done": 1, "total": 1})
    assert job.result == {"session_id": fork.id, "checkpoint_id": trunk.head}
    assert (fork.head, fork.worker, fork.queued, fork.running_job) == (trunk.head, "gpu.0", 0, None)
    assert ledger.redis.llen("gpu.0") == 0, "no ticket is sent"
    kinds = [event.kind for event in ledger.events.read([fork.id], "0")]
    assert kinds == ["session.created", "job.queued", "job.started", "job.finished", "session.updated"]
    assert ledger.redis.lrange(keys.mailbox(fork.id), 0, -1) == []
    assert ledger.counts()["jobs_unfinished"] == 0
    again = ledger.jobs.accept(ledger.sessions.fork_request(checkpoint_id=trunk.head, idempotency_key="k"))
    assert (again.job.id, again.job.replayed, again.session.id) == (job.id, True, fork.id)
    assert ledger.jobs.accept(request).job.id == job.id, "a script that is sent twice does nothing the second time"
    assert hand.stepped(fork).frame_index == 2
    bulk, ended = ledger.sessions.fork(checkpoint_id=trunk.head, bulk=True)
    assert (bulk.state, ended.state) == ("closed", "succeeded")


def test_a_fork_needs_a_usable_checkpoint(ledger: Ledger, hand: Hand) -> None:
    """Unknown and deleted checkpoints are refused."""
    trunk = hand.opened()
    with pytest.raises(CheckpointNotFound):
        ledger.sessions.fork(checkpoint_id="ckp_" + "0" * 26)
    ledger.nodes.set_durability(trunk.head, "deleted")
    with pytest.raises(CheckpointUnavailable):
        ledger.sessions.fork(checkpoint_id=trunk.head)


def test_bulk_forks_are_no_open_sessions_and_close_themselves(ledger: Ledger, hand: Hand) -> None:
    """Bulk forks pass the limit of five, wait in the bulk queue, and are closed when their job ends."""
    trunk = hand.opened()
    forks = [ledger.sessions.fork(checkpoint_id=trunk.head, steps=1, bulk=True) for _ in range(10)]
    assert ledger.counts()["sessions_open"] == 1
    session, job = forks[0]
    assert (job.queue, job.priority, session.worker) == ("bulk", 6, None)
    hand.commit_node(hand.claim(job))
    assert ledger.sessions.get(session.id).state == "closed"
    assert ledger.jobs.get(job.id).state == "succeeded"
    assert [s.id for s in ledger.sessions.page().items] == [trunk.id]
    assert len(ledger.sessions.page(bulk=True).items) == 10


def test_closing_cancels_what_waits_and_frees_the_slot(ledger: Ledger, hand: Hand) -> None:
    """A closed session takes no jobs; its tree and its record stay; it can be opened again."""
    session = hand.opened()
    waiting = ledger.jobs.submit(session.id, "step", {"steps": 2})
    closed = ledger.sessions.close(session.id)
    assert (closed.state, closed.worker, closed.queued) == ("closed", None, 0)
    assert ledger.jobs.get(waiting.id).state == "cancelled"
    assert ledger.counts()["sessions_open"] == ledger.counts()["jobs_unfinished"] == 0
    with pytest.raises(SessionClosed):
        ledger.jobs.submit(session.id, "step", {})
    assert ledger.sessions.reopen(session.id).state == "open"
    assert hand.stepped(session).frame_index == 1


def test_a_repeated_key_returns_the_first_session(ledger: Ledger, hand: Hand) -> None:
    """The same Idempotency-Key makes one session; with another request it is refused."""
    first, job = ledger.sessions.open(prompt="pick", input_key="sample:table", idempotency_key="k")
    again, same = ledger.sessions.open(prompt="pick", input_key="sample:table", idempotency_key="k")
    assert (again.id, same.id, same.replayed, job.replayed) == (first.id, job.id, True, False)
    with pytest.raises(IdempotencyMismatch):
        ledger.sessions.open(prompt="push", input_key="sample:table", idempotency_key="k")


def test_sessions_are_listed_newest_first_in_pages(ledger: Ledger, hand: Hand) -> None:
    """Pages do not overlap and the last one has no cursor; a state filters."""
    made = [hand.opened().id for _ in range(5)]
    ledger.sessions.close(made[0])
    page = ledger.sessions.page(limit=2)
    seen = [s.id for s in page.items]
    while page.next:
        page = ledger.sessions.page(limit=2, cursor=page.next)
        seen += [s.id for s in page.items]
    assert sorted(seen) == sorted(made)
    assert seen == sorted(seen, reverse=True)
    assert [s.id for s in ledger.sessions.page(state="closed").items] == [made[0]]


def test_unknown_sessions_are_not_found(ledger: Ledger) -> None:
    """Reading, closing and submitting to an unknown session say so."""
    for call in (ledger.sessions.get, ledger.sessions.close, ledger.sessions.reopen):
        with pytest.raises(SessionNotFound):
            call("ses_none")
    with pytest.raises(SessionNotFound):
        ledger.jobs.submit("ses_none", "step")
