"""SnapshotStore over every backend: what goes in comes out, shared pieces are stored once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch

from arc_fabric.errors import CheckpointUnavailable, Conflict, DamagedSnapshot, InvalidRequest
from arc_fabric.store import SnapshotReader, SnapshotStore, TensorEntry
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.format.manifest import MANIFEST, key_of
from tests.store.states import State, same_bits

Open = Callable[..., SnapshotStore]


def test_a_lineage_comes_back_bit_for_bit(backend: Backend, open_store: Open) -> None:
    """Root, three steps and a window reset restore from another process's point of view, with every bit."""
    store = open_store(backend)
    states = [State.root()]
    for seed in (1, 2, 3):
        states.append(states[-1].step(seed))
    states.append(states[-1].reset(9))
    for i, state in enumerate(states):
        store.put(f"c{i}", state.entries(), {"i": i}, parent_id=f"c{i - 1}" if i else None)
    store.flush(30)
    fresh = open_store(backend)
    for i, state in enumerate(states):
        tensors, meta = fresh.get(f"c{i}")
        assert same_bits(tensors, state.tensors)
        assert meta == {"i": i}
        assert same_bits(store.get(f"c{i}")[0], state.tensors)


def test_the_order_of_a_manifests_members_does_not_matter(open_store: Open) -> None:
    """What is stored is the text that the digest is of, and the digest; the same members in another order (as other
    versions wrote them) are read as well, another value is damage."""
    backend = MemoryBackend()
    store = open_store(backend)
    store.put("a", State.root().entries(), {"facts": [1, 2.5, "\u00e9"]})
    store.flush(10)
    key = key_of("a", MANIFEST)
    stored = json.loads(backend.get(key))
    assert json.loads(store.manifest("a").encode()) == store.manifest("a").to_json() == stored
    backend.put(key, json.dumps(dict(reversed(stored.items())), indent=1).encode())
    tensors, meta = open_store(backend).get("a")
    assert same_bits(tensors, State.root().tensors) and meta == {"facts": [1, 2.5, "\u00e9"]}
    backend.put(key, json.dumps(stored | {"created": stored["created"] + 1}).encode())
    with pytest.raises(DamagedSnapshot):
        open_store(backend).get("a")


def test_a_dtype_that_cannot_be_stored_is_refused_at_once(open_store: Open) -> None:
    """Also of a whole tensor; nothing is taken, and the id stays free."""
    store = open_store(MemoryBackend())
    with pytest.raises(InvalidRequest, match="complex64"):
        store.put("a", [TensorEntry("clip_feas", torch.zeros(2, dtype=torch.complex64))], {})
    store.put("a", State.root().entries(), {})
    store.flush(10)


def test_a_checkpoint_stores_only_what_its_step_added(open_store: Open) -> None:
    """The file of a step holds its new KV and latents, not the prefix, the zeros or the unchanged tensors."""
    store = open_store(MemoryBackend())
    root = State.root()
    after = root.step(1)
    store.put("a", root.entries(), {})
    store.put("b", after.entries(), {}, parent_id="a")
    store.flush(10)
    grown = sum(t.nbytes - root.tensors[n].nbytes for n, t in after.tensors.items() if n.startswith("kv_"))
    assert store.manifest("b").bytes_new == grown + after.tensors["step_latents"].nbytes


def test_an_id_is_used_once(backend: Backend, open_store: Open) -> None:
    """Putting an id again is refused, also when another process stored it."""
    store, other = open_store(backend), open_store(backend)
    store.put("a", State.root().entries(), {})
    with pytest.raises(Conflict):
        store.put("a", State.root().entries(), {})
    store.flush(10)
    other.put("a", State.root(1).entries(), {})
    with pytest.raises(Conflict):
        other.wait_durable("a", 10)
    assert same_bits(open_store(backend).get("a")[0], State.root().tensors)


def test_deleting_a_payload_keeps_its_descendants(backend: Backend, open_store: Open) -> None:
    """A deleted checkpoint cannot be restored; one that shares its pieces still can."""
    store = open_store(backend)
    root = State.root()
    after = root.step(1)
    store.put("a", root.entries(), {})
    store.put("b", after.entries(), {}, parent_id="a")
    store.delete_payload("a")
    store.flush(10)
    fresh = open_store(backend)
    with pytest.raises(CheckpointUnavailable):
        fresh.get("a")
    assert store.durability("a") == fresh.durability("a") == "absent"
    assert same_bits(fresh.get("b")[0], after.tensors)


def test_the_reader_gives_latents_and_attachments(backend: Backend, open_store: Open) -> None:
    """The web's side reads the manifest, one step's latents and an attachment, made lazily."""
    store = open_store(backend)
    state = State.root()
    store.put("a", state.entries(), {"x": 0.1}, attachments={"frames.png": lambda: b"png", "empty": b""})
    store.wait_durable("a", 10)
    reader = SnapshotReader(backend)
    dtype, shape, data = reader.latents("a")
    latents = torch.frombuffer(bytearray(data), dtype=torch.bfloat16).reshape(shape)
    assert dtype == "BF16" and torch.equal(latents, state.tensors["step_latents"])
    assert reader.attachment("a", "frames.png") == b"png"
    assert reader.attachment("a", "empty") == b""
    assert reader.manifest("a")["meta"] == {"x": 0.1}
    assert reader.exists("a") and not reader.exists("b")
