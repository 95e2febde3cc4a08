"""Light snapshots: without KV everything else is kept, and what a rebuild must match is on record."""

from __future__ import annotations

from collections.abc import Callable

import torch

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.format.pieces import cut, matches
from arc_fabric.store.upkeep.check import Checker
from tests.store.faulty import FaultyBackend
from tests.store.states import State, kv_names, same_bits
from tests.support.waiting import eventually

Open = Callable[..., SnapshotStore]


def _lineage(store: SnapshotStore, steps: int = 3, **options: object) -> list[State]:
    states = [State.root()]
    store.put("c0", states[0].entries(), {})
    for i in range(1, steps + 1):
        states.append(states[-1].step(i))
        store.put(f"c{i}", states[-1].entries(), {}, parent_id=f"c{i - 1}", **options)  # type: ignore[arg-type]
    store.flush(20)
    return states


def _without_kv(state: State) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.tensors.items() if not name.startswith("kv_")}


def test_a_light_snapshot_comes_back_without_kv_and_verifies_a_rebuild(open_store: Open) -> None:
    """Policy light stores no KV bytes; the manifest's pieces recognise the right KV and refuse a wrong one."""
    backend = MemoryBackend()
    states = _lineage(open_store(backend, policy="light"))
    fresh = open_store(backend)
    tensors, _ = fresh.get("c3")
    assert same_bits(tensors, _without_kv(states[3]))
    assert not fresh.read_cost("c3").available
    for name in kv_names():
        record, at = fresh.manifest("c3").tensors[name], 0
        for piece in record.pieces:
            view = cut(states[3].tensors[name], record.axis, at, piece.extent)
            assert matches(view, piece) and not matches(view + 1, piece)
            at += piece.extent


def test_a_light_snapshot_is_whole_while_its_kv_is_in_memory(open_store: Open) -> None:
    """The process that made it has the KV in its host tier and need not rebuild."""
    store = open_store(MemoryBackend(), policy="light")
    expected = {name: tensor.clone() for name, tensor in _lineage(store)[3].tensors.items()}
    assert store.read_cost("c3").available
    assert same_bits(store.get("c3")[0], expected)


def test_a_full_child_of_a_light_parent_stores_the_kv_after_all(open_store: Open) -> None:
    """Once the policy is full again, what a light snapshot left out is stored with the next step."""
    backend = MemoryBackend()
    store = open_store(backend, policy="light")
    last = _lineage(store)[-1].step(9)
    store.put("full", last.entries(), {}, parent_id="c3", policy="full")
    store.flush(10)
    assert same_bits(open_store(backend).get("full")[0], last.tensors)


def test_auto_goes_light_under_pressure_and_full_again(open_store: Open) -> None:
    """While more than half of the budget waits for storage, KV is left out; later it is kept again."""
    backend = FaultyBackend()
    root = State.root()
    size = sum(entry.nbytes for entry in root.entries())
    store = open_store(backend, policy="auto", upload_budget_bytes=2 * size)
    backend.gate.clear()
    states, kept = [root], []
    for i in range(4):
        store.put(f"c{i}", states[-1].entries(), {}, parent_id=f"c{i - 1}" if i else None)
        kept.append(store.manifest(f"c{i}").tensors["kv_cache1/00"].loadable)
        states.append(states[-1].step(i))
    assert kept[0] and not kept[-1]
    backend.gate.set()
    store.flush(10)
    store.put("c4", states[4].entries(), {}, parent_id="c3")
    store.flush(10)
    assert same_bits(open_store(backend).get("c4")[0], states[4].tensors)


def test_dropping_kv_frees_bytes_and_leaves_descendants_restorable(backend: Backend, open_store: Open) -> None:
    """After drop_kv a checkpoint and those who shared its KV come back light; the files stay valid."""
    store = open_store(backend, policy="full")
    states = _lineage(store)
    other = open_store(backend)
    other.manifest("c3")
    freed = store.drop_kv("c1")
    assert freed == sum(states[1].tensors[n].nbytes - states[0].tensors[n].nbytes for n in kv_names())
    for reader in (other, open_store(backend)):
        assert same_bits(reader.get("c1")[0], _without_kv(states[1]))
        assert same_bits(reader.get("c3")[0], _without_kv(states[3]))
        assert same_bits(reader.get("c0")[0], states[0].tensors)
    assert Checker(backend, read_data=1.0).run().ok


def test_the_file_of_a_step_holds_its_kv_last(open_store: Open) -> None:
    """KV can be cut off the end of a file because everything else lies before it."""
    store = open_store(MemoryBackend())
    _lineage(store, 1)
    keys = [piece.key for _, piece in store.manifest("c1").own_parts()]
    assert keys == sorted(keys, key=lambda key: key.startswith("kv_"))
    eventually(lambda: store.status()["in_flight_bytes"] == 0)
