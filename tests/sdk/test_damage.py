"""Damage at rest, on the trained model: KV is rebuilt with the same bits, and said so; all else is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
import torch

from arc_fabric import Session, StateManager, StepResult
from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, KVRebuildMismatch
from arc_fabric.models.registry import load_model
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Piece, is_rebuildable, key_of
from arc_fabric.store.read.reader import load_manifest
from tests.sdk.test_tabletop import world
from tests.sdk.worlds import assert_same, run


@pytest.fixture(scope="module")
def model() -> TabletopModel:
    """One model for all tests of this file."""
    return TabletopModel.load(recorded=False)


@dataclass
class Stored:
    """A trunk of two steps at rest, the last one to be damaged, and what comes after it."""

    backend: MemoryBackend
    head: str
    expected: StepResult

    def piece(self, kv: bool) -> Piece:
        """The last piece in the head's own file that is, or is not, KV."""
        own = [piece for _, piece in load_manifest(self.backend, self.head).own_parts()]
        return [piece for piece in own if is_rebuildable(piece.key) == kv][-1]

    def change(self, name: str, change: Callable[[bytearray], None]) -> None:
        """Damage one of the head's objects."""
        data = bytearray(self.backend.get(key_of(self.head, name)))
        change(data)
        self.backend.put(key_of(self.head, name), data)

    def flip(self, piece: Piece) -> None:
        """One bit in the middle of a piece."""
        at = piece.offset + piece.length // 2
        self.change(TENSORS, lambda data: data.__setitem__(at, data[at] ^ 4))


@pytest.fixture(scope="module")
def sound(model: TabletopModel) -> Stored:
    """As it lies in storage when the process that made it has ended."""
    backend = MemoryBackend()
    store = SnapshotStore(backend)
    session = world(StateManager(model, store=store))
    head = run(session, 2)[-1].checkpoint_id
    expected = session.step(auto_checkpoint=False)
    store.flush(60)
    store.close()
    backend.put(key_of(head, "frames.png"), b"not a picture")
    return Stored(backend, head, expected)


@pytest.fixture
def stored(sound: Stored) -> Stored:
    """A copy to damage."""
    copy = MemoryBackend()
    for info in sound.backend.list(""):
        copy.put(info.key, sound.backend.get(info.key))
    return replace(sound, backend=copy)


@pytest.fixture
def fresh(model: TabletopModel, stored: Stored) -> Iterator[StateManager]:
    """A manager that has only what lies in storage."""
    store = SnapshotStore(stored.backend)
    yield StateManager(model, store=store)
    store.close(2)  # a checkpoint that shares what is missing waits until it is sure of that


def _continue(manager: StateManager, stored: Stored, *, force: bool = False) -> StepResult:
    return Session.from_checkpoint("again", manager.model, manager, stored.head, force=force).step()


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_damaged_kv_is_rebuilt_with_the_same_bits_and_said_so(
    sound: Stored, stored: Stored, fresh: StateManager, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped bit or a missing tail: state and next step have the original bits, and the log names the file."""
    piece = stored.piece(kv=True)
    if damage == "flip":
        stored.flip(piece)
    else:
        stored.change(TENSORS, lambda data: data.__delitem__(slice(piece.offset + 8, None)))
    with caplog.at_level(logging.INFO):
        snapshot = fresh.restore(stored.head)
    assert f"{stored.head}/tensors.safetensors" in caplog.text and "Rebuilding" in caplog.text
    assert fresh.store.usage()["read"]["damaged_kv_files"] == 1
    assert snapshot.has_kv
    whole = SnapshotStore(sound.backend)
    original, _ = whole.get(stored.head)
    whole.close()
    assert all(torch.equal(tensor, original[name]) for name, tensor in snapshot.tensors().items())
    taken = _continue(fresh, stored)
    assert_same(taken, stored.expected)
    fresh.store.flush(30)
    # What was damaged is stored anew with the next step, so its child does not depend on it.
    child = StateManager(fresh.model, store=SnapshotStore(stored.backend))
    child.restore(taken.checkpoint_id)
    assert child.store.usage()["read"].get("damaged_kv_files", 0) == 0
    child.store.close()


def test_a_missing_object_is_rebuilt_while_the_latents_are_at_hand(stored: Stored, fresh: StateManager) -> None:
    """The file vanishes after everything but the KV was read."""
    snapshot = fresh.load(stored.head)
    stored.backend.delete(key_of(stored.head, TENSORS))
    assert not snapshot.has_kv
    fresh.make_resident(snapshot)
    assert_same(_continue(fresh, stored), stored.expected)


def test_damage_to_latents_or_conditioning_is_an_error(stored: Stored, fresh: StateManager) -> None:
    """What nothing can make again is never made up."""
    stored.flip(stored.piece(kv=False))
    with pytest.raises(DamagedSnapshot):
        _continue(fresh, stored)


def test_a_missing_file_is_an_error(stored: Stored, fresh: StateManager) -> None:
    """The latents are gone with it."""
    stored.backend.delete(key_of(stored.head, TENSORS))
    with pytest.raises(DamagedSnapshot, match="missing"):
        _continue(fresh, stored)


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing"])
def test_a_damaged_manifest_is_an_error(stored: Stored, fresh: StateManager, damage: str) -> None:
    """Without it nothing is known."""
    if damage == "missing":
        stored.backend.delete(key_of(stored.head, MANIFEST))
    elif damage == "flip":
        stored.change(MANIFEST, lambda data: data.__setitem__(len(data) // 2, data[len(data) // 2] ^ 1))
    else:
        stored.change(MANIFEST, lambda data: data.__delitem__(slice(len(data) // 2, None)))
    with pytest.raises(CheckpointUnavailable if damage == "missing" else DamagedSnapshot):
        _continue(fresh, stored)


def test_a_damaged_header_or_picture_does_not_touch_the_state(stored: Stored, fresh: StateManager) -> None:
    """Pieces are found by the manifest; attachments are no part of the state."""
    stored.change(TENSORS, lambda data: data.__setitem__(20, data[20] ^ 1))
    stored.backend.delete(key_of(stored.head, "frames.png"))
    assert_same(_continue(fresh, stored), stored.expected)


def test_a_rebuild_that_differs_is_an_error(model: TabletopModel, stored: Stored) -> None:
    """Under other weights, forced: the rebuild does not match what was recorded, and nothing is put in its place."""
    stored.flip(stored.piece(kv=True))
    other = load_model("tabletop")
    for weight in other.dit.parameters():
        weight.mul_(1.01)
    manager = StateManager(other, store=SnapshotStore(stored.backend))
    manager.identity = manager.identity | {"weights": "other"}
    with pytest.raises(KVRebuildMismatch):
        _continue(manager, stored, force=True)
    manager.store.close()


def test_a_model_that_cannot_rebuild_gets_the_damage_as_an_error(
    model: TabletopModel, stored: Stored, fresh: StateManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No fallback where there is none."""
    stored.flip(stored.piece(kv=True))
    monkeypatch.setattr(model, "abilities", replace(model.abilities, rebuilds_kv=False))
    with pytest.raises(DamagedSnapshot):
        _continue(fresh, stored)


def test_two_damages_at_once_are_still_told_apart(stored: Stored, fresh: StateManager) -> None:
    """KV of an ancestor is cut off and the ancestor's manifest is broken: its descendant is rebuilt all the same."""
    manifest = load_manifest(stored.backend, stored.head)
    owner = next(p.checkpoint for p in manifest.pieces() if is_rebuildable(p.key) and p.checkpoint != stored.head)
    piece = next(p for p in manifest.pieces() if p.checkpoint == owner and is_rebuildable(p.key))
    data = stored.backend.get(key_of(owner, TENSORS))
    stored.backend.put(key_of(owner, TENSORS), data[: piece.offset])
    stored.backend.put(key_of(owner, MANIFEST), b"{ broken")
    assert_same(_continue(fresh, stored), stored.expected)
