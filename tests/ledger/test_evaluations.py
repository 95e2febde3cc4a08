"""A variant is taken once, counted once, and made again only when it was given back."""

from __future__ import annotations

import json

import pytest

from arc_fabric.errors import IdempotencyMismatch, NotFound
from arc_fabric.ids import new_id
from arc_fabric.ledger import EvaluationRecord, Ledger
from arc_fabric.ledger.core import keys
from arc_fabric.ledger.evaluations import Settled


def _new(ledger: Ledger, total: int = 5, priority: int = 5) -> str:
    record = EvaluationRecord(id=new_id("evl"), total=total, priority=priority)
    return ledger.evaluations.create(record, json.dumps({"steps": 1})).id


def test_variants_are_taken_once_and_settled_once(ledger: Ledger) -> None:
    id_ = _new(ledger)
    assert ledger.evaluations.take(id_, 3) == [0, 1, 2]
    assert ledger.evaluations.take(id_, 9) == [3, 4]
    assert ledger.evaluations.take(id_, 9) == []
    rows = [Settled(0, '{"variant":0}', "good", 2), Settled(1, '{"variant":1}', "bad", 2), Settled(2, "{}", "error", 0)]
    ledger.evaluations.settle(id_, rows)
    ledger.evaluations.settle(id_, rows)  # the answer was lost, it is sent again
    found = ledger.evaluations.get(id_)
    assert (found.done, found.good, found.bad, found.errors, found.steps, found.running) == (3, 1, 1, 1, 4, 2)
    assert found.state == "running"
    ledger.evaluations.settle(id_, [Settled(3, "{}"), Settled(4, "{}", "good")])
    assert ledger.evaluations.get(id_).state == "finished"
    assert sorted(ledger.evaluations.rows(id_)) == [0, 1, 2, 3, 4]


def test_a_repeated_key_brings_the_first_one_back(ledger: Ledger) -> None:
    def create(key: str, plan: str = "{}") -> EvaluationRecord:
        record = EvaluationRecord(id=new_id("evl"), total=1)
        return ledger.evaluations.create(record, plan, idempotency_key=key)

    first = create("a")
    again = create("a")
    assert (again.id, first.replayed, again.replayed) == (first.id, False, True)
    assert create("b").id != first.id
    with pytest.raises(IdempotencyMismatch):
        create("a", '{"steps": 2}')
    with pytest.raises(IdempotencyMismatch):
        ledger.sessions.open(prompt="p", input_key="k", idempotency_key="a")
    assert len(ledger.evaluations.page(None, 10).items) == 2


def test_what_is_given_back_is_made_again(ledger: Ledger) -> None:
    id_ = _new(ledger)
    ledger.evaluations.take(id_, 3)
    ledger.evaluations.change(id_, "cancelled")
    assert ledger.evaluations.take(id_, 3) == []
    ledger.evaluations.settle(id_, [Settled(1, ""), Settled(0, "{}", "good")])
    ledger.evaluations.rest(id_)
    assert ledger.evaluations.active() == [id_], "one is still under way"
    ledger.evaluations.settle(id_, [Settled(2, "")])
    ledger.evaluations.rest(id_)
    assert ledger.evaluations.active() == []
    resumed = ledger.evaluations.change(id_, "running")
    assert (resumed.state, resumed.resumed, resumed.done) == ("running", 1, 1)
    assert ledger.evaluations.take(id_, 9) == [1, 2, 3, 4]


def test_errors_are_tried_again_where_that_is_asked(ledger: Ledger) -> None:
    id_ = _new(ledger, total=2)
    ledger.evaluations.take(id_, 2)
    ledger.evaluations.settle(id_, [Settled(0, "{}", "error"), Settled(1, "{}", "good")])
    assert ledger.evaluations.change(id_, "running").state == "finished"
    again = ledger.evaluations.change(id_, "running", again=[0])
    assert (again.state, again.done, again.errors) == ("running", 1, 0)
    assert ledger.evaluations.take(id_, 2) == [0]


def test_a_waiting_variant_costs_nothing(ledger: Ledger) -> None:
    """Ten thousand that wait are one number: what a record takes does not depend on how many there are."""
    sizes = []
    for total in (10, 10_000):
        id_ = _new(ledger, total=total)
        parts = (keys.evaluation, keys.evaluation_plan, keys.evaluation_again, keys.evaluation_running)
        sizes.append(sum(ledger.redis.memory_usage(part(id_)) or 0 for part in parts))
    assert abs(sizes[0] - sizes[1]) < 64


def test_the_urgent_come_first_and_listings_page(ledger: Ledger) -> None:
    late, urgent = _new(ledger, priority=7), _new(ledger, priority=1)
    assert ledger.evaluations.active() == [urgent, late]
    page = ledger.evaluations.page(None, 1)
    assert [one.id for one in page.items] == [urgent]
    assert [one.id for one in ledger.evaluations.page(page.next, 5).items] == [late]
    ledger.evaluations.delete(late)
    with pytest.raises(NotFound):
        ledger.evaluations.get(late)
