"""The same on an accelerator. Runs where there is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.format.fingerprint import fingerprint
from tests.store.faulty import FaultyBackend
from tests.store.states import State, kv_names, same_bits

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="NO CUDA DEVICE: the device path is not tested")
Open = Callable[..., SnapshotStore]


def _on_gpu(state: State) -> State:
    return State({name: tensor.cuda() for name, tensor in state.tensors.items()})


def _on_cpu(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}


def test_fingerprints_are_the_same_everywhere() -> None:
    """The device computes the fingerprint that the CPU computes, of cuts as well."""
    tensor = torch.randn(2, 1, 3000, 4, 128).to(torch.bfloat16)
    for part in (tensor, tensor.narrow(2, 7, 1500)):
        assert fingerprint(part.cuda()) == fingerprint(part)


def test_a_lineage_on_the_device_comes_back_bit_for_bit(open_store: Open) -> None:
    """Steps taken while earlier ones are still being copied off; only deltas are stored."""
    backend = MemoryBackend()
    store = open_store(backend, policy="full")
    states = [_on_gpu(State.root())]
    store.put("c0", states[0].entries(), {})
    for i in range(1, 6):
        grown = dict(states[-1].tensors)
        for name in kv_names():
            new = torch.randn(2, 1, 8, 2, 8, device="cuda").to(torch.bfloat16)
            grown[name] = torch.cat([grown[name], new], 2)
        states.append(State(grown))
        store.put(f"c{i}", states[-1].entries(), {}, parent_id=f"c{i - 1}")
    store.flush(30)
    delta = states[1].tensors["kv_cache1/00"].nbytes - states[0].tensors["kv_cache1/00"].nbytes
    assert store.manifest("c5").bytes_new == delta * len(kv_names())
    fresh = open_store(backend)
    for i, state in enumerate(states):
        tensors, _ = fresh.get(f"c{i}", "cuda")
        assert all(tensor.is_cuda for tensor in tensors.values())
        assert same_bits(_on_cpu(tensors), _on_cpu(state.tensors))


def test_a_restore_to_the_device_moves_only_what_is_not_there(open_store: Open) -> None:
    """The trunk is alive on the device: a branch's own pieces are all that is read."""
    backend = FaultyBackend()
    store = open_store(backend, policy="full")
    trunk = _on_gpu(State.root())
    store.put("t", trunk.entries(), {})
    branch = _on_gpu(State.root().step(1))
    store.put("b", branch.entries(), {}, parent_id="t")
    store.flush(30)
    fresh = open_store(backend, host_cache_bytes=0)
    held, _ = fresh.get("t", "cuda")
    before = fresh.usage()["read"]["moved_bytes"]
    tensors, _ = fresh.get("b", "cuda")
    assert held and same_bits(_on_cpu(tensors), _on_cpu(branch.tensors))
    assert fresh.usage()["read"]["moved_bytes"] - before == store.manifest("b").bytes_new
