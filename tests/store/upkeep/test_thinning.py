"""The storage budget: KV of what matters least leaves storage, in two phases; nothing else is ever lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.backends.base import Buffer
from arc_fabric.store.format.manifest import TENSORS, key_of
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.scan import scan
from arc_fabric.store.upkeep.thinning import MARKS, Stock, Thinner, ThinReport
from tests.store.states import State, kv_names, same_bits

Open = Callable[..., SnapshotStore]
States = dict[str, State]


def _grow(store: SnapshotStore) -> States:
    """A trunk t0..t3 and a branch b2..b3 from t1, all in one window."""
    states = {"t0": State.root()}
    store.put("t0", states["t0"].entries(), {})
    for name, parent in (("t1", "t0"), ("t2", "t1"), ("t3", "t2"), ("b2", "t1"), ("b3", "b2")):
        states[name] = states[parent].step(len(states))
        store.put(name, states[name].entries(), {}, parent_id=parent)
    store.flush(20)
    return states


def _thin(
    backend: Backend, budget: int, keep: set[str] = frozenset(), grace: float = 0, **options: object
) -> ThinReport:
    used = options.pop("used", {})
    return Thinner(backend, budget_bytes=budget, grace_s=grace).run(Stock(scan(backend)), keep, used, **options)  # type: ignore[arg-type]


def _light(backend: Backend, states: States, open_store: Open) -> set[str]:
    """The checkpoints that come back without KV; all that comes back has its bits."""
    found = set()
    store = open_store(backend, host_cache_bytes=0)
    for name, state in states.items():
        tensors, _ = store.get(name)
        if not set(kv_names()) & tensors.keys():
            found.add(name)
        assert same_bits(tensors, {n: t for n, t in state.tensors.items() if n in tensors})
        assert len(tensors) == len(state.tensors) - (len(kv_names()) if name in found else 0)
    assert Checker(backend, read_data=1.0).run().ok
    return found


def test_within_the_budget_nothing_happens(backend: Backend, open_store: Open) -> None:
    """No marks, no drops."""
    states = _grow(open_store(backend))
    size = Stock(scan(backend)).bytes
    assert size == sum(info.size for info in backend.list("checkpoints/"))
    for _ in range(2):
        report = _thin(backend, size)
        assert (report.chosen, report.marked, report.dropped, report.excess_bytes) == ([], 0, 0, 0)
    assert _light(backend, states, open_store) == set()


def test_the_least_recently_used_goes_first_and_ends_before_beginnings(backend: Backend, open_store: Open) -> None:
    """Files are chosen by their last use; a kept checkpoint protects all of its window's files."""
    states = _grow(open_store(backend))
    size = Stock(scan(backend)).bytes
    one = sum(states["t1"].tensors[n].nbytes - states["t0"].tensors[n].nbytes for n in kv_names())
    used = {name: float(i) for i, name in enumerate(("t3", "t2", "t1", "t0", "b2", "b3"))}
    plan = _thin(backend, 0, dry_run=True, used=used)
    assert plan.chosen == ["t3", "t2", "b3", "b2", "t1", "t0"]
    assert plan.excess_bytes == size - plan.chosen_bytes > 0
    assert not list(backend.list(MARKS))
    for _ in range(2):
        report = _thin(backend, size - one - 1, {"b2"}, used=used)
    assert report.chosen == ["t3", "t2"] and report.freed_bytes == 2 * one
    assert _light(backend, states, open_store) == {"t2", "t3"}
    for _ in range(2):
        report = _thin(backend, 0, {"b2"})
    assert report.kept == 1 and report.excess_bytes == report.stored_bytes - report.freed_bytes > 0
    assert _light(backend, states, open_store) == {"t2", "t3", "b3"}
    assert not list(backend.list(MARKS))


def test_what_is_used_again_within_the_grace_keeps_its_kv(backend: Backend, open_store: Open) -> None:
    """Phase one only marks; a mark is taken back when something else is chosen, or nothing."""
    states = _grow(open_store(backend))
    size = Stock(scan(backend)).bytes
    assert _thin(backend, size - 1, used={"t3": 1.0}).marked == 1
    report = _thin(backend, size - 1, used={"b3": 1.0})
    assert (report.chosen, report.marked, report.unmarked, report.dropped) == (["b3"], 1, 1, 0)
    assert _thin(backend, size, used={}).unmarked == 1
    assert _thin(backend, size - 1, used={"b3": 1.0}).dropped == 0
    report = _thin(backend, size - 1, used={"b3": 1.0}, grace=3600)
    assert (report.chosen, report.dropped) == (["b3"], 0)
    assert _light(backend, states, open_store) == set()


def test_a_dry_run_changes_nothing(backend: Backend, open_store: Open) -> None:
    """It says what could be freed now, and what later."""
    _grow(open_store(backend))
    before = {info.key: info.size for info in backend.list("checkpoints/")}
    assert _thin(backend, 0, dry_run=True).freed_bytes == 0
    _thin(backend, 0)
    report = _thin(backend, 0, dry_run=True)
    assert report.freed_bytes == report.chosen_bytes > 0
    assert {info.key: info.size for info in backend.list("checkpoints/")} == before


class _Dying(MemoryBackend):
    """Fails at a chosen put of a tensors file, as a process that is killed there."""

    dies = False

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        if self.dies and key.endswith(TENSORS):
            raise KeyboardInterrupt
        super().put(key, parts)


def test_a_drop_that_was_cut_off_is_finished(open_store: Open) -> None:
    """Between manifest and file the bytes stay behind, for the next run to free, even within the budget."""
    backend = _Dying()
    states = _grow(open_store(backend))
    size = Stock(scan(backend)).bytes
    _thin(backend, size - 1, used={"t3": 1.0})
    backend.dies = True
    with pytest.raises(KeyboardInterrupt):
        _thin(backend, size - 1, used={"t3": 1.0})
    backend.dies = False
    assert load_manifest(backend, "t3").kv_dropped
    assert _light(backend, states, open_store) == {"t3"}
    report = _thin(backend, size)
    assert report.chosen == ["t3"] and report.freed_bytes > 0
    assert backend.stat(key_of("t3", TENSORS)).size == load_manifest(backend, "t3").file["length"]
    assert _thin(backend, size).chosen == []
    assert _light(backend, states, open_store) == {"t3"}


def test_nothing_is_taken_away_beside_an_unreadable_manifest(open_store: Open) -> None:
    """It might need anything."""
    backend = MemoryBackend()
    states = _grow(open_store(backend))
    _thin(backend, 0)
    backend.put("checkpoints/x/manifest.json", b"{ broken")
    report = _thin(backend, 0)
    assert report.unreadable == ["x"] and report.dropped == 0
    backend.delete("checkpoints/x/manifest.json")
    assert _light(backend, states, open_store) == set()


def test_a_worker_that_remembers_old_manifests_goes_on(backend: Backend, open_store: Open) -> None:
    """A store opened before the drop reads on, and its next checkpoint can be restored."""
    store = open_store(backend, host_cache_bytes=0)
    states = _grow(store)
    other = open_store(backend, host_cache_bytes=0)
    other.manifest("t3")
    for _ in range(2):
        _thin(backend, 0)
    states["t4"] = states["t3"].step(99)
    other.put("t4", states["t4"].entries(), {}, parent_id="t3")
    other.flush(20)
    assert _light(backend, states, open_store) >= set(states) - {"t4"}
    states["t5"] = states["t4"].step(100)
    fresh = open_store(backend, host_cache_bytes=0)
    fresh.get("t4")
    fresh.put("t5", states["t5"].entries(), {}, parent_id="t4")
    fresh.flush(20)
    assert "t5" not in _light(backend, states, open_store), "the next full checkpoint stores it all again"
