"""Deleting a tree for good: nothing of it is left, nothing else is touched, wherever it is cut off."""

from __future__ import annotations

from contextlib import suppress

import pytest

from arc_fabric.errors import Conflict, NotFound
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys
from arc_fabric.ledger.records import TreeView
from arc_fabric.resting.rest import rest_tree
from arc_fabric.store.backends import Backend
from arc_fabric.upkeep.unwanted import drop_unwanted
from tests.ledger.conftest import Hand
from tests.resting.conftest import dump, grown
from tests.resting.test_killed import Deadly, Killed

STREAMS = ("arc:events",)


def _everything(ledger: Ledger) -> dict[str, object]:
    return {key: value for key, value in dump(ledger).items() if not key.startswith(STREAMS)}


@pytest.mark.parametrize("rests", [False, True], ids=["here", "at rest"])
def test_nothing_is_left(hand: Hand, backend: Backend, *, rests: bool) -> None:
    """Records, lists, jobs and streams of the tree are gone, and those of another one are as they were."""
    ledger, other = hand.ledger, grown(hand)
    before = _everything(ledger)
    tree = grown(hand)
    if rests:
        assert rest_tree(ledger, backend, tree.tree_id)
    ledger.erasing.doom(tree.tree_id)
    assert ledger.erasing.erase(tree.tree_id, seconds=10)
    assert sorted(ledger.erasing.unwanted(100)) == sorted(node.id for node in tree.nodes)
    assert drop_unwanted(ledger, backend) == len(tree.nodes)
    assert _everything(ledger) == before
    assert not any(ledger.redis.exists(keys.session_events(session.id)) for session in tree.sessions)
    assert [node.id for node in ledger.nodes.tree(other.tree_id).nodes] == [node.id for node in other.nodes]
    with pytest.raises(NotFound):
        ledger.trees.get(tree.tree_id)
    with pytest.raises(NotFound):
        ledger.erasing.doom(tree.tree_id)


def test_what_is_in_use_is_refused_or_closed(hand: Hand) -> None:
    """An open session refuses; with `close` it is closed, and its jobs are cancelled."""
    ledger, tree = hand.ledger, grown(hand)
    session = tree.sessions[0]
    ledger.sessions.reopen(session.id)
    job = ledger.jobs.submit(session.id, "step")
    with pytest.raises(Conflict, match="1 sessions of it are open"):
        ledger.erasing.doom(tree.tree_id)
    assert ledger.jobs.get(job.id).state == "queued"
    ledger.erasing.doom(tree.tree_id, close=True)
    assert ledger.jobs.get(job.id).state == "cancelled"
    assert not ledger.redis.scard(keys.SESSIONS_OPEN)
    assert ledger.erasing.erase(tree.tree_id, seconds=10)


def test_a_doomed_tree_takes_no_change(ledger: Ledger, tree: TreeView) -> None:
    """Between the decision and the last slice nothing begins on it, and an import waits until its payloads are gone."""
    views = [node.to_dict() for node in tree.nodes], [session.to_dict() for session in tree.sessions]
    ledger.erasing.doom(tree.tree_id)
    with pytest.raises(NotFound):
        ledger.sessions.fork(checkpoint_id=tree.nodes[0].id)
    with pytest.raises(NotFound):
        ledger.nodes.update(tree.nodes[0].id, label="x")
    ledger.erasing.erase(tree.tree_id, seconds=10)
    with pytest.raises(Conflict, match="was deleted here"):
        ledger.imports.add(*views)
    ledger.erasing.dropped(ledger.erasing.unwanted(100))
    assert ledger.imports.add(*views).nodes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_while_deleting(redis_url: str, ledger: Ledger, backend: Backend, *, after: bool) -> None:
    """At every call: the tree is whole, or the janitor's pass takes the rest of it."""
    hand, at, done = Hand.up(ledger, "gpu.0"), 0, False
    before = _everything(ledger)
    while not done:
        at += 1
        tree = grown(hand)
        process = Deadly(redis_url, backend, at, after=after)
        with suppress(Killed):
            process.ledger.erasing.doom(tree.tree_id)
            process.ledger.erasing.erase(tree.tree_id, seconds=10)
            drop_unwanted(process.ledger, process.backend)
            done = process.outlived
        if ledger.trees.page().items:
            assert [n.id for n in ledger.nodes.tree(tree.tree_id).nodes] == [n.id for n in tree.nodes]
            ledger.erasing.doom(tree.tree_id)
        drop_unwanted(ledger, backend)
        assert _everything(ledger) == before
        process.ledger.close()
    assert at > 3
