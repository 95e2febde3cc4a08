"""Taking in nodes and sessions of another installation: all or none, and what is here stays as it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.ids import new_id
from arc_fabric.ledger import Imported, Ledger, NodeRecord
from arc_fabric.ledger.core import keys
from arc_fabric.ledger.records import TreeView
from arc_fabric.ledger.trees.imports import SLICE, STAGED_S
from tests.ledger.conftest import Hand

Views = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture
def elsewhere(redis_url: str) -> Iterator[Ledger]:
    """The ledger of another installation, empty."""
    base, _, number = redis_url.rpartition("/")
    made = Ledger(f"{base}/{int(number) % 62 + 1}")
    made.redis.flushdb()
    yield made
    made.close()


@pytest.fixture
def tree(hand: Hand) -> TreeView:
    """A trunk of three steps and a fork from its first that took one."""
    trunk = hand.stepped(hand.opened(), 3)
    first = hand.ledger.nodes.path(trunk.head)[-2]
    fork, job = hand.ledger.sessions.fork(checkpoint_id=first, prompt="other", steps=1)
    hand.commit_node(hand.claim(job))
    assert hand.ledger.sessions.get(fork.id).frame_index == 2
    return hand.ledger.nodes.tree(trunk.tree_id)


def _views(tree: TreeView) -> Views:
    return [node.to_dict() for node in tree.nodes], [session.to_dict() for session in tree.sessions]


def _keys(ledger: Ledger) -> list[str]:
    return sorted(ledger.redis.keys("*"))


def test_a_whole_tree_moves(tree: TreeView, elsewhere: Ledger) -> None:
    """Nodes, order, children and sessions are the same there; the sessions are closed and can be reopened."""
    imported = elsewhere.imports.add(*_views(tree))
    assert set(imported.nodes) == {node.id for node in tree.nodes}
    assert set(imported.sessions) == {session.id for session in tree.sessions}
    there = elsewhere.nodes.tree(tree.tree_id)
    homeless = {"durability": "durable", "worker": None, "job_id": None, "children": None}
    assert sorted(node.id for node in there.nodes) == sorted(node.id for node in tree.nodes)
    for node in tree.nodes:
        mine = elsewhere.nodes.get(node.id)
        assert mine.to_dict() | homeless == node.to_dict() | homeless
        assert (set(mine.children), mine.durability, mine.worker) == (set(node.children), "durable", None)
    for session in tree.sessions:
        mine = elsewhere.sessions.get(session.id)
        assert (mine.state, mine.head, mine.frame_index, mine.prompt) == (
            "closed", session.head, session.frame_index, session.prompt,
        )  # fmt: skip
    assert elsewhere.counts()["sessions_open"] == 0 and not elsewhere.nodes.pending()
    assert [s.id for s in elsewhere.sessions.page().items] == sorted((s.id for s in tree.sessions), reverse=True)
    again = elsewhere.sessions.reopen(tree.sessions[0].id)
    assert (again.state, again.head) == ("open", tree.sessions[0].head)
    hand = Hand.up(elsewhere, "gpu.9")
    assert hand.stepped(again).frame_index == again.frame_index + 1


def test_once_more_changes_nothing(tree: TreeView, elsewhere: Ledger) -> None:
    """What is known stays as it is, with its labels and its later steps; the rest is added."""
    nodes, sessions = _views(tree)
    elsewhere.imports.add([node for node in nodes if node["frame_index"] < 2], sessions)
    root = tree.nodes[0].id
    elsewhere.nodes.update(root, label="mine")
    before = {key: elsewhere.redis.hgetall(key) for key in _keys(elsewhere) if key.startswith("arc:session:")}
    imported = elsewhere.imports.add(nodes, sessions)
    assert len(imported.nodes) == sum(node["frame_index"] >= 2 for node in nodes)
    assert elsewhere.nodes.get(root).label == "mine"
    assert {key: elsewhere.redis.hgetall(key) for key in before} == before
    assert elsewhere.imports.add(nodes, sessions).nodes == ()
    assert len(elsewhere.nodes.tree(tree.tree_id).nodes) == len(nodes)


def test_a_session_whose_head_stayed_behind_ends_where_its_nodes_end(tree: TreeView, elsewhere: Ledger) -> None:
    """Exporting a branch cuts the trunk off at the fork; without session views they are made from the nodes."""
    nodes, sessions = _views(tree)
    trunk = next(s for s in sessions if s["parent_checkpoint"] is None)
    fork = next(s for s in sessions if s["parent_checkpoint"] is not None)
    path = tree.nodes[0].id, fork["parent_checkpoint"], fork["head"]
    for views in (sessions, []):
        elsewhere.redis.flushdb()
        elsewhere.imports.add([node for node in nodes if node["id"] in path], views)
        mine = elsewhere.sessions.get(trunk["id"])
        assert (mine.head, mine.frame_index, mine.state) == (path[1], 1, "closed")
        assert elsewhere.sessions.get(fork["id"]).head == fork["head"]


def _without(nodes: list[dict[str, Any]], frame: int) -> list[dict[str, Any]]:
    return [node for node in nodes if node["frame_index"] != frame]


def test_an_unknown_parent_is_refused_and_nothing_written(tree: TreeView, elsewhere: Ledger) -> None:
    """Neither here nor among them; once it is here the rest may come."""
    nodes, sessions = _views(tree)
    with pytest.raises(InvalidRequest, match="neither here nor among them"):
        elsewhere.imports.add(_without(nodes, 1), sessions)
    assert _keys(elsewhere) == []
    elsewhere.imports.add([node for node in nodes if node["frame_index"] < 2], sessions)
    later = [node for node in nodes if node["frame_index"] >= 2]
    with pytest.raises(InvalidRequest, match="not one step after its parent"):
        elsewhere.imports.add([node | {"frame_index": node["frame_index"] + 1} for node in later], sessions)
    elsewhere.imports.add(later, sessions)
    assert len(elsewhere.nodes.tree(tree.tree_id).nodes) == len(nodes)


def test_check_only_writes_nothing(tree: TreeView, elsewhere: Ledger) -> None:
    """It refuses what would be refused, and says what would be new."""
    assert len(elsewhere.imports.add(*_views(tree), check_only=True).nodes) == len(tree.nodes)
    assert _keys(elsewhere) == []


def test_another_place_in_the_tree_is_refused(tree: TreeView, elsewhere: Ledger) -> None:
    """An id that hangs elsewhere here is not moved."""
    nodes, sessions = _views(tree)
    elsewhere.imports.add(nodes, sessions)
    (leaf,) = (node for node in nodes if node["frame_index"] == 3)
    (other,) = (node["id"] for node in nodes if node["frame_index"] == 2 and node["id"] != leaf["parent"])
    moved = [node | {"parent": other} if node["id"] == leaf["id"] else node for node in nodes]
    with pytest.raises(Conflict):
        elsewhere.imports.add(moved, sessions)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../x"}, {"id": None}, {"parent": 7}, {"session_id": "ses_x"}, {"tree_id": None}, {"prompt": None},
        {"frame_index": True}, {"frame_index": 0}, {"created": float("nan")}, {"actions": [[float("inf")]]},
        {"actions": [["x"]]}, {"tree_id": "ckp_" + "0" * 26}, {"bookmarked": 1}, {"n_frames": "8"},
        {"created": 1e300}, {"created": -1.0}, {"label": "x" * 201}, {"note": "x" * 4001}, {"tags": ["x"] * 33},
        {"tags": ["x" * 41]}, {"bytes_new": -1}, {"bytes_total": 2**60}, {"n_frames": -8}, {"n_frames": 2**60},
        {"frame_index": 7}, {"actions": [[1e39]]},
        {"actions": [[1.0], []]}, {"state": [-1e300]}, {"score": 1e10}, {"wall_s": -1.0},
    ],
    ids=lambda change: repr(change)[:40],
)  # fmt: skip
def test_views_that_are_no_nodes_are_refused(tree: TreeView, elsewhere: Ledger, change: dict[str, Any]) -> None:
    """Bad input is refused whole, before anything is written."""
    nodes, sessions = _views(tree)
    with pytest.raises(InvalidRequest):
        elsewhere.imports.add([*nodes[:-1], nodes[-1] | change], sessions)
    if next(iter(change)) in ("note", "tags"):  # older bundles lack them
        return
    missing = {name: value for name, value in nodes[-1].items() if name != next(iter(change))}
    with pytest.raises(InvalidRequest):
        elsewhere.imports.add([*nodes[:-1], missing], sessions)
    assert _keys(elsewhere) == []


def test_strange_sessions_do_no_harm(tree: TreeView, elsewhere: Ledger) -> None:
    """Views of sessions are only hints; the nodes decide."""
    nodes, sessions = _views(tree)
    for name, value in itertools.product(sessions[0], (None, [], {}, "x", -1, float("nan"), True)):
        elsewhere.redis.flushdb()
        elsewhere.imports.add(nodes, [sessions[0] | {name: value}, "no session", *sessions[1:]])
        for session in elsewhere.sessions.page().items + elsewhere.sessions.page(bulk=True).items:
            assert elsewhere.nodes.get(session.head).frame_index == session.frame_index
            assert session.state == "closed"


def branch_of(trunk: TreeView, length: int) -> list[NodeRecord]:
    """A branch at the tree's second node that grew in a session of another installation."""
    session, made = new_id("ses"), [trunk.nodes[1]]
    for i in range(2, length + 2):
        node = NodeRecord(id=new_id("ckp"), parent=made[-1].id, session_id=session, frame_index=i, n_frames=8)
        node.tree_id = trunk.tree_id
        made.append(node)
    return made[1:]


def test_nobody_sees_half_an_import(ledger: Ledger, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import is written in slices, and whoever brings it dies before it is shown: there is no session, tree or node
    of it, what lies beside expires, and bringing it again makes all of it, joined with what is here."""
    trunk = hand.stepped(hand.opened(), 3)
    before = ledger.nodes.tree(trunk.tree_id)
    nodes = branch_of(before, 498)
    views = [node.to_dict() for node in nodes]
    run = ledger.core.scripts.run

    def dies_at_the_end(name: str, *args: str | int | float) -> list[Any]:
        if name == "nodes/publish":
            raise KeyboardInterrupt
        return run(name, *args)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ledger.core.scripts, "run", dies_at_the_end)
        ledger.imports.add(views)
    assert ledger.nodes.tree(trunk.tree_id) == before and len(ledger.sessions.page().items) == 1
    assert not ledger.nodes.known([node.id for node in nodes])
    assert all(0 < ledger.redis.ttl(key) <= STAGED_S for key in ledger.redis.scan_iter(keys.staged("*"), 1000))
    made = ledger.imports.add(views)
    assert (len(made.nodes), made.sessions) == (498, (nodes[0].session_id,))
    tree = ledger.nodes.tree(trunk.tree_id)
    assert [node.id for node in tree.nodes] == [node.id for node in (*before.nodes, *nodes)]
    assert tree.nodes[1].children == [before.nodes[2].id, nodes[0].id]
    assert {session.id for session in tree.sessions} == {trunk.id, nodes[0].session_id}
    assert ledger.redis.ttl(keys.node(nodes[5].id)) == ledger.redis.ttl(keys.tree(trunk.tree_id)) == -1
    assert ledger.imports.add(views) == Imported((), ())


def test_an_import_may_lose_answers_and_is_alone(ledger: Ledger, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each script runs twice, as where its answer was lost: the tree is as if it had run once. While one import is
    under way another is refused and changes nothing."""
    before = ledger.nodes.tree(hand.stepped(hand.opened(), 3).tree_id)
    nodes = branch_of(before, 210)
    views = [node.to_dict() for node in nodes]
    assert ledger.leases.hold("import", "another", 5)
    with pytest.raises(Conflict, match="under way"):
        ledger.imports.add(views)
    assert ledger.nodes.tree(before.tree_id) == before
    ledger.redis.delete(keys.role("import"))
    run = ledger.core.scripts.run

    def twice(name: str, *args: str | int | float) -> list[Any]:
        run(name, *args)
        return run(name, *args)

    with monkeypatch.context() as patched:
        patched.setattr(ledger.core.scripts, "run", twice)
        ledger.imports.add(views)
    tree = ledger.nodes.tree(before.tree_id)
    assert [node.id for node in tree.nodes] == [node.id for node in (*before.nodes, *nodes)]
    assert [node.children for node in tree.nodes[4:]] == [*([node.id] for node in nodes[1:]), []]


def test_an_import_that_was_cut_off_while_it_was_shown_is_finished(
    tree: TreeView, elsewhere: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever that was: the janitor, or the next import, shows the rest, and nothing comes twice."""
    monkeypatch.setattr("arc_fabric.ledger.trees.imports.SLICE", 1)
    views, run = _views(tree), elsewhere.core.scripts.run

    class Killed(BaseException):
        pass

    for at in itertools.count(1):
        elsewhere.redis.flushdb()
        left = itertools.count(1)

        def deadly(name: str, *args: Any) -> Any:
            answer = run(name, *args)
            if name == "nodes/publish" and next(left) == at:  # noqa: B023
                raise Killed
            return answer

        monkeypatch.setattr(elsewhere.core.scripts, "run", deadly)
        try:
            elsewhere.imports.add(*views)
            break
        except Killed:
            monkeypatch.setattr(elsewhere.core.scripts, "run", run)
        elsewhere.redis.delete(keys.role("import"))
        (elsewhere.imports.finish if at % 2 else lambda: elsewhere.imports.add(*views))()
        there = elsewhere.nodes.tree(tree.tree_id)
        assert sorted(node.id for node in there.nodes) == sorted(node.id for node in tree.nodes)
        assert {s.id for s in there.sessions} == {s.id for s in tree.sessions}
        assert {n.id: n.children for n in there.nodes} == {n.id: n.children for n in tree.nodes}
        assert len(elsewhere.sessions.page().items) == len(tree.sessions)
        assert not elsewhere.imports.add(*views).nodes
        assert not [key for key in elsewhere.redis.scan_iter("arc:import:*") if not key.endswith(":done")]
    assert at > len(tree.nodes)


def test_an_import_of_many_trees_touches_each_a_few_times(hand: Hand, elsewhere: Ledger) -> None:
    """Not all of them in every slice: what it costs Redis grows as the import does."""
    root = hand.ledger.nodes.get(hand.opened().head).to_dict()
    ids = [new_id("ckp") for _ in range(5 * SLICE)]
    views = [root | {"id": made, "tree_id": made, "children": []} for made in ids]
    elsewhere.redis.config_resetstat()
    assert len(elsewhere.imports.add(views).nodes) == len(ids)
    calls = elsewhere.redis.info("commandstats")["cmdstat_sismember"]["calls"]  # `touch` asks once whether it is doomed
    assert len(ids) <= calls < 3 * len(ids)
