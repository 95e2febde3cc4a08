"""A tree goes to rest and comes back: nobody can tell but by the room in Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from arc_fabric.errors import (
    DamagedSnapshot,
    NodeNotFound,
    ServiceError,
    SessionClosed,
    SessionNotFound,
    StoreUnavailable,
)
from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import codec, keys
from arc_fabric.ledger.records import TreeView
from arc_fabric.resting import attach
from arc_fabric.resting.check import damaged_trees
from arc_fabric.resting.rest import rest_due, rest_tree
from arc_fabric.store.backends import Backend, MemoryBackend
from tests.ledger.conftest import Hand
from tests.resting.conftest import dump, grown


def _at_rest(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    assert rest_tree(ledger, backend, tree.tree_id)


def test_records_leave_redis_and_come_back_as_they_were(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """Every key of a tree is gone while it rests, and after a wake Redis is byte for byte what it was."""
    before = dump(ledger)
    _at_rest(ledger, backend, tree)
    here = " ".join(map(str, ledger.redis.scan_iter("*")))
    assert not any(keys.node(node.id) in here for node in tree.nodes)
    assert not any(f"{keys.session(session.id)} " in here + " " for session in tree.sessions)
    assert ledger.counts()["trees_resting"] == 1
    ledger.core.wake(tree.tree_id)
    assert dump(ledger) == before
    assert not list(ledger.redis.scan_iter("arc:homes:*"))


TOUCHES: dict[str, Callable[[Ledger, TreeView], object]] = {
    "a node": lambda ledger, tree: ledger.nodes.get(tree.nodes[2].id),
    "nodes": lambda ledger, tree: ledger.nodes.many([node.id for node in tree.nodes]),
    "the tree": lambda ledger, tree: ledger.nodes.tree(tree.tree_id),
    "a lineage": lambda ledger, tree: ledger.nodes.lineage(tree.nodes[-1].id),
    "a fork": lambda ledger, tree: ledger.sessions.fork(checkpoint_id=tree.nodes[1].id),
    "a reopened session": lambda ledger, tree: ledger.sessions.reopen(tree.sessions[0].id),
    "a label": lambda ledger, tree: ledger.nodes.update(tree.nodes[1].id, label="x"),
    "a pin": lambda ledger, tree: ledger.nodes.pin(tree.nodes[1].id),
    "damage": lambda ledger, tree: ledger.nodes.set_durability(tree.nodes[1].id, "damaged"),
    "an import": lambda ledger, tree: ledger.imports.add(
        [node.to_dict() for node in tree.nodes], [session.to_dict() for session in tree.sessions]
    ),
}


@pytest.mark.parametrize("name", TOUCHES)
def test_whatever_needs_it_brings_it_back(name: str, ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """Each answers as it does for a tree that is here, and the tree is here afterwards."""
    _at_rest(ledger, backend, tree)
    TOUCHES[name](ledger, tree)
    assert ledger.resting.row(tree.tree_id) is None
    there = ledger.nodes.tree(tree.tree_id)
    assert {node.id for node in there.nodes} == {node.id for node in tree.nodes}
    assert [node.id for node in there.nodes] == [node.id for node in tree.nodes]


@pytest.mark.parametrize("name", ["a fork", "a reopened session", "a label", "a pin", "damage"])
def test_a_change_ends_the_way_to_rest(
    name: str, ledger: Ledger, backend: Backend, tree: TreeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes between the reading and the last script stays: the tree does not rest."""
    rest = ledger.resting.rest

    def late(*args: object) -> bool:
        TOUCHES[name](ledger, tree)
        return rest(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger.resting, "rest", late)
    changed_before = dump(ledger)
    assert not rest_tree(ledger, backend, tree.tree_id)
    assert ledger.resting.row(tree.tree_id) is None
    assert dump(ledger) != changed_before, "the change is there"


def test_what_is_in_use_does_not_rest(hand: Hand, backend: Backend) -> None:
    """An open session, a pin and a payload on its way keep a tree here."""
    ledger, tree = hand.ledger, grown(hand)
    ledger.sessions.reopen(tree.sessions[0].id)
    assert not rest_tree(ledger, backend, tree.tree_id)
    ledger.sessions.close(tree.sessions[0].id)
    ledger.nodes.pin(tree.nodes[0].id)
    assert not rest_tree(ledger, backend, tree.tree_id)
    ledger.nodes.unpin(tree.nodes[0].id)
    pending = hand.opened()
    ledger.sessions.close(pending.id)
    assert not rest_tree(ledger, backend, pending.tree_id or "")
    assert rest_tree(ledger, backend, tree.tree_id)


def test_only_what_nobody_touched_is_due(hand: Hand, backend: Backend) -> None:
    """A pass takes the trees that are old enough."""
    ledger, old, young = hand.ledger, grown(hand), grown(hand)
    ledger.redis.zadd(keys.TOUCHED, {old.tree_id: ledger.core.now() - 100})
    assert rest_due(ledger, backend, 50) == 1
    assert ledger.resting.row(old.tree_id) and not ledger.resting.row(young.tree_id)


def test_lists_show_it_as_before(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """Sessions, bulk ones too, and trees are listed and found while it rests, which does not bring it back."""
    before = [ledger.sessions.page(bulk=bulk).items for bulk in (False, True)]
    told = ledger.trees.get(tree.tree_id)
    _at_rest(ledger, backend, tree)
    after = [ledger.sessions.page(bulk=bulk).items for bulk in (False, True)]
    assert [[s.to_dict() for s in page] for page in after] == [[s.to_dict() for s in page] for page in before]
    first = before[0][0]
    assert ledger.sessions.get(first.id).to_dict() == first.to_dict()
    assert [s.id for s in ledger.sessions.page(cursor=first.id).items] == [s.id for s in before[0][1:]]
    assert not ledger.sessions.page("open").items
    resting = ledger.trees.get(tree.tree_id)
    same = ("id", "nodes", "sessions", "prompt", "created")
    assert all(getattr(resting, name) == getattr(told, name) for name in same) and resting.resting
    assert resting.tags == ["slip"] and resting.labels == ["left"]
    assert [t.id for t in ledger.trees.page(words="LEFT cup").items] == [tree.tree_id]
    assert not ledger.trees.page(words="nowhere").items
    assert ledger.resting.row(tree.tree_id), "it still rests"


def test_upkeep_knows_what_rests(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """Its nodes are no orphans, its pictures are named, and asking does not bring it back."""
    ids = [node.id for node in tree.nodes]
    _at_rest(ledger, backend, tree)
    assert ledger.nodes.known([*ids, new_id("ckp")]) == set(ids)
    assert ledger.inputs.named() == {"inputs/a.png"}
    assert not ledger.nodes.many(ids, wake=False)
    assert ledger.resting.row(tree.tree_id), "it still rests"


def test_refusals_are_those_of_a_tree_that_is_here(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """A closed session is closed, an unknown id is unknown."""
    _at_rest(ledger, backend, tree)
    with pytest.raises(SessionClosed):
        ledger.jobs.submit(tree.sessions[0].id, "step")
    _at_rest(ledger, backend, tree)
    with pytest.raises(NodeNotFound):
        ledger.nodes.get(new_id("ckp"))
    with pytest.raises(SessionNotFound):
        ledger.sessions.get(new_id("ses"))
    assert ledger.resting.row(tree.tree_id), "it still rests"


def test_many_wake_it_at_once(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """All of them see all of it."""
    before = dump(ledger)
    _at_rest(ledger, backend, tree)
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(len(ledger.nodes.tree(tree.tree_id).nodes))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [len(tree.nodes)] * 12
    assert dump(ledger) == before


class Down(MemoryBackend):
    """Storage that can be away, or give back other bytes."""

    away = False

    def rest(self, key: str, offset: int) -> bytes:
        if self.away:
            raise StoreUnavailable("The object store does not answer.")
        return super().rest(key, offset)


def test_storage_that_is_away_loses_nothing(redis_url: str) -> None:
    """503 with the cause, as long as it lasts; then the tree comes back."""
    backend = Down()
    ledger = attach(Ledger(redis_url), backend)
    tree = grown(Hand.up(ledger, "gpu.0"))
    _at_rest(ledger, backend, tree)
    at_rest = dump(ledger)
    backend.away = True
    with pytest.raises(StoreUnavailable):
        ledger.nodes.get(tree.nodes[0].id)
    assert dump(ledger) == at_rest
    assert not rest_tree(ledger, backend, tree.tree_id)
    backend.away = False
    assert len(ledger.nodes.tree(tree.tree_id).nodes) == len(tree.nodes)


def test_a_damaged_object_is_told_by_its_name(ledger: Ledger, backend: Backend, tree: TreeView) -> None:
    """Nothing is put back from it."""
    _at_rest(ledger, backend, tree)
    (chunk,) = (info.key for info in backend.list("trees/") if "nodes-" in info.key)
    whole = backend.get(chunk)
    assert not list(damaged_trees(ledger, backend))
    backend.put(chunk, whole[:-1] + b"x")
    assert [(tree_id, key) for tree_id, key, _ in damaged_trees(ledger, backend)] == [(tree.tree_id, chunk)]
    with pytest.raises(DamagedSnapshot, match="nodes-000000"):
        ledger.nodes.get(tree.nodes[0].id)
    backend.put(chunk, whole)
    assert len(ledger.nodes.tree(tree.tree_id).nodes) == len(tree.nodes)


def test_who_does_not_know_the_storage_says_so(
    redis_url: str, ledger: Ledger, backend: Backend, tree: TreeView
) -> None:
    """A process without the object store's settings cannot take a resting tree for an absent one."""
    _at_rest(ledger, backend, tree)
    blind = Ledger(redis_url)
    with pytest.raises(ServiceError, match="rests in object storage"):
        blind.nodes.get(tree.nodes[0].id)
    blind.close()


def test_homes_are_found_however_many(ledger: Ledger) -> None:
    """Nodes of resting trees are found in hashes that stay compact; those that come back leave nothing."""
    ids = [new_id("ckp") for _ in range(3000)]
    ledger.redis.zadd(keys.RESTING, {"ckp_tree": 1})
    ledger.redis.hset(keys.RESTING_ROWS, "ckp_tree", '{"token":"t"}')
    for start in range(0, len(ids), 200):
        ledger.core.scripts.run("trees/drop", "ckp_tree", "t", codec.dumps(ids[start : start + 200]), "[]", "[]")
    assert ledger.resting.homes(ids) == ["ckp_tree"] * len(ids)
    assert ledger.resting.homes([new_id("ckp")]) == [""]
    places = list(ledger.redis.scan_iter("arc:homes:*"))
    assert len(places) > 50
    assert {ledger.redis.object("encoding", place) for place in places} == {"listpack"}


def test_events_tell_actions_and_params_without_holding_them(hand: Hand) -> None:
    """Lines of the streams hold neither; who reads them gets both, and a finished job's steps are kept once."""
    ledger, session = hand.ledger, hand.opened()
    actions = [[[0.123456789] * 24 for _ in range(8)]]
    job = ledger.jobs.submit(session.id, "step", {"steps": 1, "actions": actions})
    hand.commit_node(hand.claim(job), actions=actions[0])
    events = ledger.events.read([session.id], "0")
    (committed,) = [e for e in events if e.kind == "node.committed" and e.data["parent"]]
    assert committed.data["actions"] == actions[0]
    told = [e for e in events if e.kind.startswith("job.") and e.data["id"] == job.id]
    assert len(told) == 3 and all(e.data["params"]["actions"] == actions for e in told)
    lines = str(ledger.redis.xrange(keys.session_events(session.id)))
    assert "0.123456789" not in lines
    assert ledger.jobs.wait(job.id, 1).to_dict() == told[-1].data
    assert not ledger.redis.exists(keys.job_steps(job.id))
    assert ledger.jobs.get(job.id).result["steps"]  # type: ignore[index]
