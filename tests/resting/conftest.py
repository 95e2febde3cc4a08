"""A ledger whose trees may rest, a worker's hand, and what Redis holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger, Limits
from arc_fabric.ledger.records import TreeView
from arc_fabric.resting import attach
from arc_fabric.store.backends import Backend, MemoryBackend
from tests.ledger.conftest import Hand, clock

__all__ = ["clock"]
TRACES = ("arc:homes", "arc:trees:touched")
"""Keys that may differ after a tree has rested: how homes are spread, and when it was last touched."""


@pytest.fixture
def backend() -> Backend:
    """An empty object store."""
    return MemoryBackend()


@pytest.fixture
def ledger(redis_url: str, backend: Backend) -> Iterator[Ledger]:
    """A ledger that knows where its trees rest."""
    made = attach(Ledger(redis_url, limits=Limits(max_jobs_total=5000, lease_ttl_s=600)), backend)
    yield made
    made.close()


@pytest.fixture
def hand(ledger: Ledger) -> Hand:
    """The worker gpu.0."""
    return Hand.up(ledger, "gpu.0")


@pytest.fixture
def tree(hand: Hand) -> TreeView:
    """A trunk of four steps, a labelled fork from its second that took one, a bulk fork that took two; all closed and
    stored, with a given picture and a label on a node."""
    return grown(hand)


def grown(hand: Hand, steps: int = 4) -> TreeView:
    """Such a tree."""
    ledger = hand.ledger
    session, job = ledger.sessions.open(prompt="pick up the red cup", seed=7, input_key="inputs/a.png")
    hand.commit_node(hand.claim(job), internal={"_input_key": "inputs/a.png"}, durability="durable")
    trunk = _stepped(hand, session.id, steps)
    path = ledger.nodes.path(trunk.head)
    fork, job = ledger.sessions.fork(checkpoint_id=path[-3], prompt="other", steps=1, label="left")
    hand.commit_node(hand.claim(job), durability="durable")
    bulk, job = ledger.sessions.fork(checkpoint_id=path[-2], steps=2, bulk=True)
    claim = hand.claim(job)
    hand.commit_node(claim, final=False, durability="durable", actions=[[0.1, -2.5e-8]])
    hand.commit_node(claim, durability="durable")
    ledger.nodes.update(path[-3], label="grasped", tags=["slip"], note="a note", score=0.5)
    for session_id in (trunk.id, fork.id):
        ledger.sessions.close(session_id)
    assert ledger.sessions.get(bulk.id).state == "closed"
    return ledger.nodes.tree(trunk.tree_id)


def _stepped(hand: Hand, session_id: str, steps: int) -> Any:
    job = hand.ledger.jobs.submit(session_id, "step", {"steps": steps})
    claim = hand.claim(job)
    for i in range(steps):
        hand.commit_node(claim, final=i == steps - 1, durability="durable", node_id=new_id("ckp"))
    return hand.ledger.sessions.get(session_id)


def dump(ledger: Ledger) -> dict[str, Any]:
    """Everything in Redis but what a rest may leave its trace in, and what belongs to workers and scripts."""
    found: dict[str, Any] = {}
    redis = ledger.redis
    for key in sorted(map(str, redis.scan_iter("arc:*", count=1000))):
        kind = redis.type(key)
        if key in TRACES or key.startswith(("arc:lease", "arc:worker", "arc:role")):
            continue
        if kind == "hash":
            found[key] = redis.hgetall(key)
        elif kind == "zset":
            found[key] = redis.zrange(key, 0, -1, withscores=True)
        elif kind == "set":
            found[key] = redis.smembers(key)
        elif kind == "list":
            found[key] = redis.lrange(key, 0, -1)
        elif kind == "string":
            found[key] = redis.get(key)
        else:
            found[key] = redis.xlen(key)
    return found
