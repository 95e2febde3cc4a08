"""Quotas of tokens: counted as things change, refused with what is used and allowed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arc_fabric.errors import QuotaExceeded, StorageQuotaExceeded
from arc_fabric.ledger import Ledger, Limits
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Hand


@pytest.fixture
def hand(redis_url: str) -> Iterator[Hand]:
    """A worker of a ledger with quotas."""
    limits = Limits(max_open_sessions=50, lease_ttl_s=60, quotas=["ann=2/1000", "*=-/500"])
    ledger = Ledger(redis_url, limits=limits)
    yield Hand.up(ledger, "gpu.0")
    ledger.close()


def _opened(hand: Hand, owner: str, size: int = 100) -> str:
    session, job = hand.ledger.sessions.open(prompt="cup", input_key="sample:table", owner=owner)
    hand.commit_node(hand.claim(job), bytes_new=size)
    return session.id


def _bytes(hand: Hand, owner: str) -> int:
    return int(hand.ledger.redis.get(keys.owner_bytes(owner)) or 0)


def test_open_sessions_are_bounded_by_token(hand: Hand) -> None:
    """The third is refused with the figures; a closed one gives its place back, a reopened one takes it."""
    first, _second = _opened(hand, "ann"), _opened(hand, "ann")
    with pytest.raises(QuotaExceeded, match="ann has 2 sessions open; 2 are allowed") as refusal:
        _opened(hand, "ann")
    assert refusal.value.context["used"] == refusal.value.context["allowed"] == 2
    _opened(hand, "bob")
    head = hand.ledger.sessions.get(first).head
    with pytest.raises(QuotaExceeded):
        hand.ledger.sessions.fork(checkpoint_id=head, owner="ann")
    hand.ledger.sessions.fork(checkpoint_id=head, owner="ann", bulk=True, steps=1)
    hand.ledger.sessions.close(first)
    _opened(hand, "ann")
    with pytest.raises(QuotaExceeded):
        hand.ledger.sessions.reopen(first)


def test_stored_bytes_are_bounded_by_token(hand: Hand) -> None:
    """What was committed counts, then what was stored; a deleted tree gives its bytes back; a fork is its parent's."""
    ledger, session = hand.ledger, ""
    session = _opened(hand, "ann", 400)
    node = ledger.sessions.get(session).head
    ledger.nodes.set_durability(node, "durable", bytes_new=900)
    ledger.nodes.set_durability(node, "durable", bytes_new=900)
    assert _bytes(hand, "ann") == 900
    fork, job = ledger.sessions.fork(checkpoint_id=node, steps=1)
    hand.commit_node(hand.claim(job), bytes_new=150)
    assert _bytes(hand, "ann") == 1050
    for refused in (
        lambda: ledger.jobs.submit(session, "step"),
        lambda: ledger.jobs.submit(fork.id, "step"),
        lambda: ledger.sessions.fork(checkpoint_id=node, owner="ann"),
        lambda: _opened(hand, "ann"),
    ):
        with pytest.raises(StorageQuotaExceeded, match="1050 bytes; 1000 are allowed"):
            refused()
    ledger.jobs.submit(session, "rewind", {"n_steps": 1})
    ledger.erasing.doom(node, close=True)
    assert ledger.erasing.erase(node, seconds=10)
    assert _bytes(hand, "ann") == 0
    assert not ledger.redis.scard(keys.owner_open("ann"))
    _opened(hand, "ann")


def test_without_quotas_everything_is_counted_and_nothing_refused(redis_url: str) -> None:
    """So that a quota that is set later knows what there is."""
    hand = Hand.up(Ledger(redis_url, limits=Limits(max_open_sessions=50, lease_ttl_s=60)), "gpu.0")
    for _ in range(4):
        _opened(hand, "ann", 5000)
    assert _bytes(hand, "ann") == 20_000
    assert hand.ledger.redis.scard(keys.owner_open("ann")) == 4
    hand.ledger.close()


def test_usage_says_what_there_is_and_what_is_allowed(hand: Hand) -> None:
    """Whoever has something or a quota of its own, by name and by pages; `also` has nothing and is shown."""
    _opened(hand, "bob", 300)
    hand.ledger.sessions.close(_opened(hand, "bob", 50))
    page = hand.ledger.owners.page(also=["zoe"])
    assert [(u.name, u.sessions_open, u.bytes_stored, u.sessions_allowed, u.bytes_allowed) for u in page.items] == [
        ("ann", 0, 0, 2, 1000),
        ("bob", 1, 350, None, 500),
        ("zoe", 0, 0, None, 500),
    ]
    first = hand.ledger.owners.page(limit=1)
    assert (first.items[0].name, first.next) == ("ann", "ann")
    assert [u.name for u in hand.ledger.owners.page("ann").items] == ["bob"]
