"""What version 0.1 stored restores with the same bits: tests/data has a bundle and a saved file that its code made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from torch import Tensor

from arc_fabric import Session, StateManager, WorldStateSnapshot
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.upkeep.bundle import import_bundle
from tests.support.toy_model import ToyModel

STORED = Path(__file__).parents[1] / "data" / "stored_by_0_1"
FACTS = json.loads((STORED / "facts.json").read_text())


def sha256(tensor: Tensor) -> str:
    """Of a tensor's bytes, as `facts.json` has them."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def continued(manager: StateManager, snapshot: WorldStateSnapshot) -> str:
    """The digest of the next step's latents; the identity names the torch of then, so it is not asked for."""
    session = Session.from_snapshot("again", manager.model, manager, snapshot)
    return sha256(session.step(auto_checkpoint=False).step_latents[0].transpose(0, 1))


def computes_as_then() -> bool:
    """Whether this machine's arithmetic has the bits of the one that made the files: they may differ between kinds."""
    model = ToyModel()
    manager = StateManager(model)
    first = Session("ses", model, manager, "pick up the red cup", ToyModel.sample_frame())
    first.step()
    known = FACTS["checkpoints"][FACTS["trunk"][0]]["tensors"]
    return all(sha256(tensor) == known[name] for name, tensor in first.snapshot.tensors().items())


needs_same_arithmetic = pytest.mark.skipif(
    not computes_as_then(), reason="this machine's float arithmetic is of another kind than that of the stored files"
)


@pytest.fixture
def manager() -> StateManager:
    """A manager on a store that holds what the bundle holds."""
    backend = MemoryBackend()
    import_bundle(STORED / "tree.arcb", backend)
    return StateManager(ToyModel(), store=SnapshotStore(backend))


STEPS = [pytest.param(i, marks=needs_same_arithmetic if i == FACTS["light"] else ()) for i in FACTS["checkpoints"]]


@pytest.mark.parametrize("checkpoint_id", STEPS, ids=lambda i: f"step-{FACTS['checkpoints'][i]['step']}")
def test_every_stored_tensor_has_the_bits_of_then(manager: StateManager, checkpoint_id: str) -> None:
    """Also those of a light checkpoint, whose KV is rebuilt and checked against stored fingerprints."""
    known = FACTS["checkpoints"][checkpoint_id]
    snapshot = manager.restore(checkpoint_id, force=True)
    assert {name: sha256(tensor) for name, tensor in snapshot.tensors().items()} == known["tensors"]
    meta = json.loads(json.dumps(snapshot.meta()))
    assert {name: meta[name] for name in known["meta"]} == known["meta"], "what came later is beside it"


@needs_same_arithmetic
def test_worlds_go_on_from_it(manager: StateManager) -> None:
    """The trunk behind its window's end, and a fork with a recached prompt."""
    trunk = manager.restore(FACTS["trunk"][-1], force=True)
    fork = manager.restore(FACTS["fork"], force=True)
    assert continued(manager, trunk) == FACTS["next"]["trunk"]
    assert continued(manager, fork) == FACTS["next"]["fork"]


@needs_same_arithmetic
def test_a_saved_file_goes_on(manager: StateManager) -> None:
    """`WorldStateSnapshot.load` reads the file of then."""
    assert continued(manager, WorldStateSnapshot.load(STORED / "fork.safetensors")) == FACTS["next"]["fork"]
