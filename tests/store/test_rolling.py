"""Caches that roll: stored are the tokens that are new, wherever the old ones went; restored are the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import MemoryBackend

UNIT, CAPACITY, BLOCK, STEPS = 4, 10, 3, 12
"""Tokens per frame; frames of the cache, of a step; steps: the cache is full after three."""


def block(seed: int) -> torch.Tensor:
    """A step's keys and values, [2, 1, 12, 2, 8]."""
    return torch.randn(2, 1, BLOCK * UNIT, 2, 8, generator=torch.Generator().manual_seed(seed))


def shifted(sink: int) -> Iterator[torch.Tensor]:
    """The latest frames in order, after `sink` frames that stay."""
    cache = block(0)[:, :, :0]
    for step in range(STEPS):
        cache = torch.cat([cache, block(step)], 2)
        over = max(0, cache.shape[2] - CAPACITY * UNIT)
        cache = torch.cat([cache[:, :, : sink * UNIT], cache[:, :, sink * UNIT + over :]], 2)
        yield cache


def ring() -> Iterator[torch.Tensor]:
    """Every frame at its place, the number of the frame modulo the capacity."""
    cache = torch.zeros(2, 1, CAPACITY * UNIT, 2, 8)
    for step in range(STEPS):
        places = torch.tensor([(step * BLOCK * UNIT + i) % (CAPACITY * UNIT) for i in range(BLOCK * UNIT)])
        cache = cache.clone()
        cache[:, :, places] = block(step)
        yield cache


@pytest.mark.parametrize("rolls", [True, False])
@pytest.mark.parametrize("caches", [lambda: shifted(0), lambda: shifted(1), lambda: shifted(4), ring],
                         ids=["shift", "sink 1", "sink 4", "ring"])  # fmt: skip
def test_a_step_stores_its_own_block(caches: Callable[[], Iterator[torch.Tensor]], rolls: bool) -> None:
    """Once the cache is full (undeclared: and has rolled once): a block's bytes a step, as the receipt had said."""
    store = SnapshotStore(MemoryBackend())
    size = block(0).nbytes
    parent = None
    for step, cache in enumerate(caches()):
        entry = TensorEntry("kv_cache1/00", cache, axis=2, unit=UNIT, fresh=BLOCK * UNIT, rolls=rolls)
        receipt = store.put(f"c{step}", [entry], {}, parent_id=parent)
        store.flush(30)
        parent = f"c{step}"
        new = store.manifest(parent).bytes_new
        if step > (3 if rolls else 5):
            assert new <= 1.05 * size, f"step {step} stored {new / size:.2f} blocks"
            assert receipt.bytes_new == size
    reader = SnapshotStore(store.backend)
    for step, cache in enumerate(caches()):
        assert torch.equal(reader.get(f"c{step}")[0]["kv_cache1/00"], cache), step
    store.close()
    reader.close()
