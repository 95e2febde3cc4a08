"""Where sessions go in a fleet of many; what is counted for that, against a full scan of the records."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import get_args

import pytest

from arc_fabric.base.terms import JobState
from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import Claim, JobRecord, Ledger, Limits
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Clock, Hand

Counted = tuple[dict[str, set[str]], dict[str, dict[str, int]], dict[str, int]]
"""Per worker: the sessions it owns, those of them that have work with the steps they wait for, and the sum of these."""


def counted(ledger: Ledger) -> Counted:
    """What the scripts keep."""
    names = sorted(ledger.redis.smembers(keys.WORKERS))
    with ledger.redis.pipeline(transaction=False) as asked:
        for name in names:
            asked.zrange(keys.work(name), 0, -1, withscores=True).hget(keys.worker(name), "_load")
        answers = asked.execute()
    work = {n: {s: int(v) for s, v in found} for n, found in zip(names, answers[::2], strict=True)}
    loads = {n: int(load or 0) for n, load in zip(names, answers[1::2], strict=True)}
    return {n: ledger.workers.sessions_of(n) for n in names}, work, loads


def scanned(ledger: Ledger) -> Counted:
    """The same from the records."""
    names = sorted(ledger.redis.smembers(keys.WORKERS))
    owned: dict[str, set[str]] = {n: set() for n in names}
    work: dict[str, dict[str, int]] = {n: {} for n in names}
    sessions = [s for bulk in (False, True) for s in ledger.sessions.page("open", limit=1000, bulk=bulk).items]
    with ledger.redis.pipeline(transaction=False) as asked:
        for session in sessions:
            asked.lrange(keys.mailbox(session.id), 0, -1)
        mailboxes = asked.execute()
    jobs = {job.id: job for job in ledger.jobs.many([id_ for box in mailboxes for id_ in box]) if job is not None}
    for session, box in zip(sessions, mailboxes, strict=True):
        if session.worker:
            owned[session.worker].add(session.id)
            if not session.bulk and box:
                work[session.worker][session.id] = session.internal["_pending"]
        left = sum(jobs[id_].internal["_total"] - jobs[id_].internal["_done"] for id_ in box)
        assert session.internal["_pending"] == left
    return owned, work, {n: sum(work[n].values()) for n in names}


def ranked(ledger: Ledger) -> dict[str, int]:
    """The ranks of the workers that serve: whoever leaves them out places nothing there."""
    owned, _, loads = counted(ledger)
    serving = {
        w.name for w in ledger.workers.all()
        if w.role == "gpu" and w.state not in ("down", "draining") and ledger.workers.is_alive(w.name, w.boot_id)
    }  # fmt: skip
    ranks = {name: int(rank) for name, rank in ledger.redis.zrange(keys.SERVING, 0, -1, withscores=True)}
    assert serving <= set(ranks)
    assert all(ranks[name] == loads[name] * 10**6 + len(owned[name]) for name in ranks)
    return ranks


def check_job_lists(ledger: Ledger) -> None:
    """Every way to list jobs finds what looking at all of them finds, page by page."""
    everything = ledger.jobs.page(limit=1000).items
    for state, kind in product([None, *get_args(JobState)], [None, "create", "step", "fork"]):
        wanted = [job.id for job in everything if state in (None, job.state) and kind in (None, job.kind)]
        found, cursor = [], None
        while not found or cursor:
            page = ledger.jobs.page(state=state, kind=kind, cursor=cursor, limit=7)
            found += page.items
            cursor = page.next
            if not page.items:
                break
        assert [job.id for job in found] == wanted, (state, kind)
    open_sessions = [s.id for s in ledger.sessions.page(limit=1000).items if s.state == "open"]
    assert [s.id for s in ledger.sessions.page("open", limit=1000).items] == open_sessions


@dataclass
class Fleet:
    """Random things happen to it."""

    ledger: Ledger
    clock: Clock
    dice: random.Random
    hands: dict[str, Hand] = field(default_factory=dict)
    claims: list[tuple[Hand, Claim]] = field(default_factory=list)
    jobs: list[JobRecord] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    boots: int = 0

    def up(self) -> None:
        """A worker starts, or is started again while its former process may live."""
        name, self.boots = f"gpu.{self.dice.randrange(4)}", self.boots + 1
        self.hands[name] = Hand.up(self.ledger, name, f"boot{self.boots}")

    def beat(self) -> None:
        """All but one send heartbeats, one of them says that it drains; the leases of the others run out."""
        for i, hand in enumerate(self.dice.sample(sorted(self.hands.values(), key=lambda h: h.name), len(self.hands))):
            state = "draining" if i == 0 and self.dice.random() < 0.3 else "idle"
            record = {"name": hand.name, "boot_id": hand.boot, "role": "gpu", "state": state, "device": "cpu"}
            if i != len(self.hands) - 1:
                self.ledger.leases.renew(hand.name, hand.boot, record)
        self.clock.advance(31)

    def leave(self) -> None:
        """A worker ends in order."""
        hand = self.dice.choice(sorted(self.hands.values(), key=lambda h: h.name))
        self.ledger.leases.release(hand.name, hand.boot)

    def open(self) -> None:
        """A new session."""
        session, job = self.ledger.sessions.open(prompt="cup", input_key="sample:table")
        self.sessions.append(session.id)
        self.jobs.append(job)

    def fork(self) -> None:
        """A fork, maybe bulk, maybe with steps."""
        heads = [s.head for s in map(self.ledger.sessions.get, self.sessions) if s.head]
        session, job = self.ledger.sessions.fork(
            checkpoint_id=self.dice.choice(heads), bulk=self.dice.random() < 0.5, steps=self.dice.randrange(3)
        )
        self.sessions.append(session.id)
        self.jobs.append(job)

    def submit(self) -> None:
        """More work."""
        kind, steps = self.dice.choice([("step", {"steps": self.dice.randrange(1, 6)}), ("checkpoint", {})])
        self.jobs.append(self.ledger.jobs.submit(self.dice.choice(self.sessions), kind, steps))

    def claim(self) -> None:
        """A worker gets a ticket, be it for it or not."""
        hand = self.dice.choice(sorted(self.hands.values(), key=lambda h: h.name))
        claim = hand.claim(self.dice.choice(self.jobs))
        if claim.outcome == "run":
            self.claims.append((hand, claim))

    def commit(self) -> None:
        """One of the claims gets on, or ends; it may have been fenced long ago."""
        hand, claim = self.dice.choice(self.claims)
        if claim.job.kind in ("create", "step") and self.dice.random() < 0.8:
            whole = claim.job.internal["_total"] == 1 or self.dice.random() < 0.3
            hand.commit_node(claim, final=whole)
        else:
            hand.finish(claim, self.dice.choice(["succeeded", "failed"]))

    def give_way(self) -> None:
        """A job gives way to others."""
        hand, claim = self.dice.choice(self.claims)
        job, session = claim.job, claim.session
        self.ledger.execution.requeue(hand.name, hand.boot, session.id, job.id, job.id, session.epoch)

    def cancel(self) -> None:
        """A job is cancelled."""
        self.ledger.jobs.cancel(self.dice.choice(self.jobs).id)

    def close(self) -> None:
        """A session is closed."""
        self.ledger.sessions.close(self.dice.choice(self.sessions))

    def reopen(self) -> None:
        """A session is opened again."""
        self.ledger.sessions.reopen(self.dice.choice(self.sessions))

    def sweep(self) -> None:
        """The reaper looks."""
        self.ledger.execution.sweep()

    def something(self) -> str:
        """One of all these; what the ledger refuses is no matter."""
        happens: list[Callable[[], None]] = [
            self.up, self.beat, self.leave, self.fork, self.cancel, self.close, self.reopen, self.sweep, self.give_way,
            *[self.open] * 2, *[self.submit] * 3, *[self.claim] * 6, *[self.commit] * 5,
        ]  # fmt: skip
        what = self.dice.choice(happens)
        try:
            what()
        except (ArcFabricError, IndexError):
            return f"{what.__name__} (refused)"
        return what.__name__


@pytest.fixture
def fleet(redis_url: str, clock: Clock) -> Fleet:
    """No worker is up yet."""
    limits = Limits(max_open_sessions=12, max_jobs_total=60, affinity_queue_bound=4, lease_ttl_s=60)
    return Fleet(Ledger(redis_url, limits=limits, clock=clock), clock, random.Random(1))


@pytest.mark.parametrize("seed", range(6))
def test_counters_equal_a_full_scan_whatever_happens(fleet: Fleet, seed: int) -> None:
    """Workers that start, drain, die and come back; sessions and jobs in every state: after each change the counters
    are what the records say, so nothing has to add them up."""
    fleet.dice.seed(seed)
    happened: list[str] = []
    fleet.ledger.audit.whole()
    for turn in range(250):
        happened.append(fleet.something())
        assert counted(fleet.ledger) == scanned(fleet.ledger), happened[-5:]
        ranked(fleet.ledger)
        if turn % 50 == 49:
            check_job_lists(fleet.ledger)
    assert fleet.ledger.audit.whole() == 0, "there is nothing to put right"
    fleet.ledger.close()


@pytest.mark.parametrize("seed", range(3))
def test_what_an_earlier_version_left_is_counted(fleet: Fleet, seed: int) -> None:
    """Records without any counter, or with wrong ones: the audit makes them, slice by slice, and placement goes on."""
    fleet.dice.seed(seed)
    while len(fleet.jobs) < 25:
        fleet.something()
    fleet.up()
    ledger = fleet.ledger
    right, ranks = counted(ledger), ranked(ledger)
    assert ledger.audit.is_due()
    ledger.redis.delete(keys.SERVING, keys.ALIVE, keys.MEDIA_WORKERS)
    ledger.redis.delete(*ledger.redis.keys(keys.jobs_in("*")))
    check_job_lists(ledger)
    for name in ledger.redis.smembers(keys.WORKERS):
        ledger.redis.delete(keys.work(name))
        ledger.redis.hdel(keys.worker(name), "_load")
        if seed == 1:
            ledger.redis.hset(keys.worker(name), "_load", 77)
            ledger.redis.zadd(keys.work(name), {fleet.sessions[0]: 5, "ses_gone": 3})
            ledger.redis.sadd(keys.owned(name), *fleet.sessions)
        if seed == 2:
            ledger.redis.delete(keys.owned(name))
    assert ledger.audit.whole() > 0 and not ledger.audit.is_due()
    assert counted(ledger) == right == scanned(ledger)
    serving = ranked(ledger)
    assert serving == {name: ranks[name] for name in serving} and serving
    check_job_lists(ledger)
    assert ledger.audit.whole() == 0
    ledger.close()


def test_the_idlest_worker_is_found_among_many_that_are_gone(fleet: Fleet) -> None:
    """Of forty workers all but one lose their lease at once: the next session goes to that one, without a sweep."""
    for i in range(40):
        Hand.up(fleet.ledger, f"gpu.{i:02}", "boot")
    fleet.ledger.redis.delete(*(keys.lease(f"gpu.{i:02}") for i in range(40) if i != 33))
    assert fleet.ledger.sessions.open(prompt="cup", input_key="sample:table")[1].queue == "gpu.33"
    assert list(ranked(fleet.ledger)) == [*(f"gpu.{i:02}" for i in range(34, 40)), "gpu.33"]
    assert fleet.ledger.workers.serve()


def test_sessions_of_a_dead_worker_move_in_slices(redis_url: str, clock: Clock) -> None:
    """A worker with more sessions than one script moves dies: one sweep, in several scripts, moves them all, evenly."""
    ledger = Ledger(redis_url, limits=Limits(max_open_sessions=500, lease_ttl_s=60), clock=clock)
    Hand.up(ledger, "gpu.0", "boot")
    for _ in range(130):
        ledger.sessions.open(prompt="cup", input_key="sample:table")
    clock.advance(61)
    for name in ("gpu.1", "gpu.2"):
        Hand.up(ledger, name, "boot")
    assert len(ledger.execution.sweep()) == 130
    assert [len(w.sessions) for w in ledger.workers.all()] == [0, 65, 65]
    assert not ledger.redis.exists(keys.HOMELESS) and ledger.workers.find("gpu.0").state == "down"
    ledger.close()


def test_every_silent_session_gets_its_turn(redis_url: str, clock: Clock) -> None:
    """More sessions are silent than a sweep looks at, all but the last with their ticket in the queue: that one's lost
    ticket is found, and not in the place of the others again and again."""
    ledger = Ledger(redis_url, limits=Limits(max_open_sessions=500, lease_ttl_s=3600), clock=clock)
    Hand.up(ledger, "gpu.0", "boot")
    for _ in range(250):
        ledger.sessions.open(prompt="cup", input_key="sample:table")
    ledger.redis.lpush("gpu.0", "ticket")
    lost = Hand.up(ledger, "gpu.1", "boot")
    _, job = ledger.sessions.open(prompt="cup", input_key="sample:table")
    assert job.queue == lost.name
    clock.advance(4)
    assert [job.id for job in ledger.execution.sweep() + ledger.execution.sweep()] == [job.id]
    ledger.close()
