"""A variant is taken once, counted once, and made again only when it was given back."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from arc_fabric.errors import IdempotencyMismatch, NotFound
from arc_fabric.evaluation.stored import StoredPage, StoredRows, folder, move_rows, read_rows
from arc_fabric.evaluation.summing import summary
from arc_fabric.ids import new_id
from arc_fabric.ledger import EvaluationRecord, Ledger
from arc_fabric.ledger.core import keys
from arc_fabric.ledger.evaluations import Settled
from arc_fabric.store.backends.base import Buffer
from arc_fabric.store.backends.memory import MemoryBackend
from tests.evaluation.rows import row


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


class Noted(MemoryBackend):
    """Notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        """An object."""
        self.read.append(key)
        return super().get(key)


def test_a_page_of_rows_reads_only_its_parts(ledger: Ledger) -> None:
    """The newest row of a variant counts, in whatever part it lies; a part of an older version may hold any."""
    id_, backend = _new(ledger, total=40), Noted()
    backend.put(f"evaluations/{id_}/rows-000000.jsonl", b'{"variant":39,"made":0}')
    for made, numbers in enumerate([range(10), range(10, 20), range(20, 30), [5]], 1):
        ledger.evaluations.take(id_, len(numbers))
        for number in numbers:
            ledger.redis.hset(keys.evaluation_running(id_), str(number), "job_x")
        ledger.evaluations.settle(id_, [Settled(n, json.dumps({"variant": n, "made": made})) for n in numbers])
        if made < 4:
            move_rows(ledger, backend, id_)

    def page(after: int, most: int | None) -> list[tuple[int, int]]:
        backend.read.clear()
        return [(row["variant"], row["made"]) for row in read_rows(ledger, backend, id_, after=after, most=most)]

    newest = {5: 4, 39: 0}
    everything = [(n, newest.get(n, n // 10 + 1)) for n in [*range(30), 39]]
    assert page(-1, None) == everything
    assert len(backend.read) == 4
    for after, most, parts in ((-1, 8, 2), (3, 6, 2), (9, 10, 2), (12, 12, 3), (29, 5, 1)):
        assert page(after, most) == [row for row in everything if row[0] > after][:most]
        assert len(backend.read) == parts, (after, most)
    move_rows(ledger, backend, id_)
    assert page(-1, None) == everything
    assert page(4, 1) == [(5, 4)]


class Overtaken(MemoryBackend):
    """Does something else before it stores an object, once."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = [meanwhile]

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        """An object."""
        if self._meanwhile:
            self._meanwhile.pop()()
        super().put(key, parts)


def _settle(ledger: Ledger, id_: str, number: int, made: int) -> None:
    ledger.redis.hset(keys.evaluation_running(id_), str(number), "job_x")
    ledger.evaluations.settle(id_, [Settled(number, json.dumps({"variant": number, "made": made}))])


def test_two_conductors_that_overlap_lose_no_row(ledger: Ledger) -> None:
    """One is held up between reading the rows and storing them; meanwhile another one, with more rows of the same range
    and one that was made again, stores and forgets them."""
    id_ = _new(ledger, total=10)

    def meanwhile() -> None:
        _settle(ledger, id_, 4, 1)
        move_rows(ledger, backend, id_)
        _settle(ledger, id_, 2, 2)

    backend = Overtaken(meanwhile)
    for number in (0, 2, 9):
        _settle(ledger, id_, number, 1)
    move_rows(ledger, backend, id_)
    found = {row["variant"]: row["made"] for row in read_rows(ledger, backend, id_)}
    assert found == {0: 1, 2: 2, 4: 1, 9: 1}
    move_rows(ledger, backend, id_)
    assert not ledger.evaluations.rows(id_)
    assert {row["variant"]: row["made"] for row in read_rows(ledger, backend, id_)} == found


def test_ten_thousand_results_are_summed_without_being_held(ledger: Ledger) -> None:
    """In parts of 1,000 as they are moved, the newest still in Redis; the peak is that of a few parts."""
    id_, backend, count = _new(ledger, total=10_000), MemoryBackend(), 10_000
    for part in range(9):
        rows = [json.dumps(row(n, seed=n)) for n in range(1000 * part, 1000 * part + 1000)]
        name = f"{folder(id_)}rows-{part:06d}-{1000 * part}-{1000 * part + 999}.jsonl"
        backend.put(name, "\n".join(rows).encode())
    ledger.redis.hset(
        keys.evaluation_rows(id_), mapping={str(n): json.dumps(row(n, seed=n)) for n in range(9000, count)}
    )

    def peak(of: Callable[[], Any]) -> tuple[int, Any]:
        tracemalloc.start()
        found = of()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most, found

    held, everything = peak(lambda: read_rows(ledger, backend, id_))
    passed, found = peak(lambda: summary(StoredRows(ledger, backend, id_)))
    assert found == summary(everything)
    assert found["all"]["n"] == count
    assert [one["variant"] for one in StoredRows(ledger, backend, id_, page=900)] == list(range(count))
    assert passed < held / 2, f"{passed >> 20} MiB against {held >> 20}"

    def one_by_one() -> list[int]:
        page, judged = StoredPage.of(ledger, backend, id_, 0), []
        for number in range(count):
            if not page.covers(number):
                page = StoredPage.of(ledger, backend, id_, number)
            judged.append(page.rows[number]["variant"])
        return judged

    passed, numbers = peak(one_by_one)
    assert numbers == list(range(count))
    assert passed < held / 2, f"{passed >> 20} MiB against {held >> 20}"


def test_a_page_covers_what_it_has_no_result_of(ledger: Ledger) -> None:
    """What is between its rows, and after the last one there is, needs no other look."""
    id_ = _new(ledger, total=10)
    ledger.redis.hset(keys.evaluation_rows(id_), mapping={str(n): json.dumps(row(n)) for n in (1, 4, 5, 8)})
    backend = MemoryBackend()
    page = StoredPage.of(ledger, backend, id_, 1, most=2)
    assert (sorted(page.rows), [page.covers(n) for n in (0, 1, 3, 4, 5)]) == ([1, 4], [False, True, True, True, False])
    page = StoredPage.of(ledger, backend, id_, 5, most=3)
    assert (sorted(page.rows), [page.covers(n) for n in (4, 7, 9)]) == ([5, 8], [False, True, True])
