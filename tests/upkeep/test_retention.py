"""Trees go by age and tag; the kept tag, a pin and an open session win."""

from __future__ import annotations

import pytest

from arc_fabric.errors import InvalidRequest, NotFound
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys
from arc_fabric.resting import attach
from arc_fabric.resting.rest import rest_tree
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.upkeep.retention import retire
from tests.ledger.conftest import Hand
from tests.resting.conftest import grown


def _aged(ledger: Ledger, tree_id: str, seconds: float) -> None:
    ledger.redis.zadd(keys.TOUCHED, {tree_id: ledger.core.now() - seconds})


def _gone(ledger: Ledger, tree_id: str) -> bool:
    try:
        ledger.trees.get(tree_id)
    except NotFound:
        return True
    return False


@pytest.mark.parametrize("rests", [False, True], ids=["here", "at rest"])
def test_rules_by_age_and_tag(settings: Settings, *, rests: bool) -> None:
    """The shortest rule counts; what must stay stays; a dry run says the same and does nothing."""
    backend = MemoryBackend()
    ledger = attach(Ledger(settings.redis_url), backend)
    hand = Hand.up(ledger, "gpu.0")
    names = ("young", "old", "tagged", "kept", "pinned", "open")
    trees = {name: grown(hand) for name in names}  # each has the tag `slip`
    ledger.nodes.update(trees["young"].nodes[2].id, tags=[])
    ledger.nodes.update(trees["kept"].nodes[0].id, tags=[*(f"t{i}" for i in range(20)), "keep"])
    for name, tree in trees.items():
        _aged(ledger, tree.tree_id, 50 if name in ("young", "tagged") else 500)
        if rests and name not in ("pinned", "open"):
            assert rest_tree(ledger, backend, tree.tree_id)
    ledger.nodes.pin(trees["pinned"].nodes[0].id)
    ledger.sessions.reopen(trees["open"].sessions[0].id)
    for name in ("pinned", "open"):
        _aged(ledger, trees[name].tree_id, 500)
    rules = settings.replaced(retention=["*=100", "slip=20"])
    would = {one.tree_id: one.rule for one in retire(ledger, rules, dry_run=True)}
    expected = {trees["old"].tree_id: "slip=20", trees["tagged"].tree_id: "slip=20"}
    assert would == expected
    assert not any(_gone(ledger, tree.tree_id) for tree in trees.values())
    assert {one.tree_id: one.rule for one in retire(ledger, rules)} == expected
    assert {name for name in names if _gone(ledger, trees[name].tree_id)} == {"old", "tagged"}
    assert not retire(ledger, rules)
    assert not retire(ledger, settings), "no rules, nothing goes"
    ledger.close()


@pytest.mark.parametrize("rule", ["scratch", "=5", "x=0", "x=soon"])
def test_a_rule_that_makes_no_sense_is_refused(rule: str) -> None:
    """At the start, by name."""
    with pytest.raises(InvalidRequest, match="retention"):
        load_settings(retention=rule)
