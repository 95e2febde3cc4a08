"""A model that writes its state in place without saying so: noticed at once, and what is stored keeps its bits."""

from __future__ import annotations

import threading

import pytest
import torch

from arc_fabric import Session, StateManager
from arc_fabric.errors import StateOverwritten, StoreError
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.format.manifest import Piece, TensorRecord
from arc_fabric.store.format.seal import seal_of
from arc_fabric.store.tiers import DeviceTier
from tests.sdk.worlds import assert_same, new_session, uninterrupted
from tests.support.overwriting import Overwriting


@pytest.mark.parametrize("inference", [True, False])
def test_the_step_that_wrote_is_refused(inference: bool) -> None:
    """By name, with what to do; also where tensors count no versions."""
    session = new_session(StateManager(Overwriting(inference=inference)))
    session.step()
    with pytest.raises(StateOverwritten, match=r"kv_cache1/00.*after step 1") as refused:
        session.step()
    assert "replace" in refused.value.what_to_do and refused.value.context["tensors"][0] == "kv_cache1/00"
    with pytest.raises(StateOverwritten):
        session.step()


@pytest.mark.parametrize("inference", [True, False])
def test_what_is_stored_has_the_bits_of_then(inference: bool) -> None:
    """The checkpoint before the write, restored anew, continues as a run that nobody captured."""
    store = SnapshotStore(MemoryBackend())
    manager = StateManager(Overwriting(inference=inference), store=store)
    session = new_session(manager)
    first = session.step()
    store.flush(10)
    with pytest.raises(StateOverwritten):
        session.step()
    fork = Session.from_checkpoint("fork", manager.model, manager, first.checkpoint_id)
    model = Overwriting(inference=inference)
    again = StateManager(model, store=SnapshotStore(store.backend))
    assert all(map(torch.equal, again.restore(first.checkpoint_id).kv_cache, manager.restore(fork.head).kv_cache))
    other = new_session(StateManager(Overwriting(inference=inference)), "other")
    assert_same(other.step(auto_checkpoint=False), uninterrupted(1)[0])


def test_a_snapshot_that_another_sessions_step_wrote_into_is_not_restored() -> None:
    """Shared buffers inside the model: the write is found when the snapshot is wanted, and the store has its bits."""
    manager = StateManager(Overwriting())
    session = new_session(manager)
    step = session.step()
    manager.store.flush(10)
    kept = session.snapshot.kv_cache[0].clone()
    manager.clear()
    with torch.inference_mode():
        session.snapshot.kv_cache[0][0, 0, 0] += 1
    with pytest.raises(StateOverwritten):
        session.step()
    assert torch.equal(manager.restore(step.checkpoint_id).kv_cache[0], kept)


def test_the_device_tier_believes_no_inference_tensor_that_was_written() -> None:
    """It counts no versions, so its bytes are looked at."""
    with torch.inference_mode():
        tier, tensor = DeviceTier(0), torch.zeros(4)
        record = TensorRecord("x", "F32", (4,), None, 1, (Piece(1, 16, "d"),))
        tier.remember(tensor, record)
        assert tier.record_of(tensor) is not None and tier.longest(record, tensor.device) is not None
        tensor[2] = 1
        assert tier.record_of(tensor) is None and tier.longest(record, tensor.device) is None


def test_a_move_within_a_tensor_is_seen() -> None:
    """A cache that rolls keeps its numbers and changes their places."""
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16, torch.uint8):
            tensor = torch.arange(40_000).to(dtype).view(2, 1, -1, 2, 4)
            before = seal_of(tensor)
            tensor.copy_(tensor.roll(4, 2))
            assert seal_of(tensor) != before


def test_a_tensor_written_before_it_is_copied_off_is_not_stored() -> None:
    """Inference tensors too: the put fails, nothing wrong is stored."""
    gate = threading.Event()
    store = SnapshotStore(MemoryBackend(), pace=lambda: gate.wait(10))
    with torch.inference_mode():
        tensor = torch.zeros(1000)
        store.put("a", [TensorEntry("x", tensor)], {})
        tensor[3] = 1
    gate.set()
    with pytest.raises(StoreError, match="changed in place"):
        store.wait_durable("a", 10)
    store.close()
