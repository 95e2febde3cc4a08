"""Bundles: one file that another installation can load, and that shows any damage."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from arc_fabric.errors import ArcFabricError, CheckpointUnavailable, Conflict, DamagedSnapshot, InvalidRequest
from arc_fabric.store import SnapshotReader, SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.format.manifest import Piece, digest_of, is_rebuildable
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep import bundle
from arc_fabric.store.upkeep.bundle import export_bundle, import_bundle, read_bundle
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.collector import Collector
from arc_fabric.store.upkeep.drop_kv import drop_kv
from arc_fabric.store.upkeep.hashing import Part, PartCheck
from tests.store.states import State, same_bits

Open = Callable[..., SnapshotStore]


def _lineage(store: SnapshotStore) -> list[State]:
    states = [State.root()]
    store.put("c0", states[0].entries(), {}, attachments={"frames.png": b"png"})
    for i in (1, 2):
        states.append(states[-1].step(i))
        store.put(f"c{i}", states[-1].entries(), {}, parent_id=f"c{i - 1}")
    store.flush(10)
    return states


def test_a_bundle_loads_elsewhere(backend: Backend, open_store: Open, tmp_path: Path) -> None:
    """A lineage with a deleted ancestor goes through one file into an empty store and restores bit for bit."""
    store = open_store(backend)
    states = _lineage(store)
    store.delete_payload("c1")
    exported = export_bundle(backend, ["c0", "c2"], tmp_path / "world.arc", extra={"session": {"prompt": "p"}})
    elsewhere = MemoryBackend()
    imported = import_bundle(tmp_path / "world.arc", elsewhere)
    assert imported == exported and imported.extra == {"session": {"prompt": "p"}}
    assert same_bits(open_store(elsewhere).get("c2")[0], states[2].tensors)
    assert SnapshotReader(elsewhere).attachment("c0", "frames.png") == b"png"
    assert Checker(elsewhere, read_data=1.0).run().ok
    import_bundle(tmp_path / "world.arc", elsewhere)


def test_a_deleted_checkpoint_cannot_be_exported(open_store: Open, tmp_path: Path) -> None:
    """And no file is left behind."""
    backend = MemoryBackend()
    store = open_store(backend)
    _lineage(store)
    store.delete_payload("c1")
    with pytest.raises(InvalidRequest):
        export_bundle(backend, ["c1"], tmp_path / "world.arc")
    assert not list(tmp_path.iterdir())


def test_an_id_that_means_something_else_is_not_overwritten(open_store: Open, tmp_path: Path) -> None:
    """Importing over a different checkpoint of the same id is refused before anything is stored."""
    backend, elsewhere = MemoryBackend(), MemoryBackend()
    _lineage(open_store(backend))
    export_bundle(backend, ["c0"], tmp_path / "world.arc")
    other = open_store(elsewhere)
    other.put("c0", State.root(7).entries(), {})
    other.flush(10)
    before = list(elsewhere.list(""))
    with pytest.raises(Conflict):
        import_bundle(tmp_path / "world.arc", elsewhere)
    assert list(elsewhere.list("")) == before


def test_what_is_here_in_the_same_state_stays_as_it_is(backend: Backend, open_store: Open, tmp_path: Path) -> None:
    """A checkpoint that has become light here is not made full again; one that was deleted comes back."""
    store = open_store(backend)
    states = _lineage(store)
    export_bundle(backend, ["c0", "c1", "c2"], tmp_path / "world.arc")
    store.drop_kv("c1")
    store.delete_payload("c2")
    before = backend.get("checkpoints/c1/tensors.safetensors")
    import_bundle(tmp_path / "world.arc", backend)
    assert backend.get("checkpoints/c1/tensors.safetensors") == before
    tensors, _ = open_store(backend).get("c2")
    assert same_bits(tensors, {n: t for n, t in states[2].tensors.items() if not n.startswith("kv_")})
    assert same_bits(open_store(backend).get("c0")[0], states[0].tensors)
    assert Checker(backend, read_data=1.0).run().ok


def test_a_collector_at_work_on_the_same_objects_is_waited_for(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an import that was cut off left behind is marked; the next import does not rely on it."""
    backend, elsewhere = MemoryBackend(), MemoryBackend()
    states = _lineage(open_store(backend))
    export_bundle(backend, ["c0", "c1", "c2"], tmp_path / "world.arc")
    key = "checkpoints/c1/tensors.safetensors"
    elsewhere.put(key, backend.get(key))
    assert Collector(elsewhere, grace_s=0).run().marked == 1
    # A collector that had begun to delete before the import looked is done while the import waits.
    monkeypatch.setattr(bundle.time, "sleep", lambda seconds: elsewhere.delete(key))
    import_bundle(tmp_path / "world.arc", elsewhere)
    assert same_bits(open_store(elsewhere).get("c2")[0], states[2].tensors)


def test_damage_to_a_bundle_is_detected(open_store: Open, tmp_path: Path) -> None:
    """Flipped bits and cuts: the import is refused and stores nothing, or (in unused zip fields) loses nothing."""
    backend = MemoryBackend()
    states = _lineage(open_store(backend))
    path = tmp_path / "world.arc"
    export_bundle(backend, ["c0", "c1", "c2"], path)
    whole, dice = path.read_bytes(), random.Random(3)
    refused = 0
    for _ in range(60):
        at = dice.randrange(len(whole))
        cut = dice.random() < 0.3
        path.write_bytes(
            whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1 :]
        )
        elsewhere = MemoryBackend()
        try:
            import_bundle(path, elsewhere)
        except ArcFabricError:
            refused += 1
            assert not list(elsewhere.list(""))
        else:
            assert not cut
            store = open_store(elsewhere)
            assert all(same_bits(store.get(f"c{i}")[0], state.tensors) for i, state in enumerate(states))
            store.close()
    assert refused > 50
    path.write_bytes(whole)
    assert read_bundle(path)[0].checkpoints == ("c0", "c1", "c2")


def _piece_of(backend: Backend, checkpoint_id: str, *, kv: bool) -> Piece:
    parts = load_manifest(backend, checkpoint_id).own_parts()
    return next(piece for _, piece in parts if is_rebuildable(piece.key) == kv)


@pytest.mark.parametrize("kv", [True, False])
def test_a_damaged_piece_is_not_exported(backend: Backend, open_store: Open, tmp_path: Path, *, kv: bool) -> None:
    """One flipped bit of an ancestor's file: the error names the piece and what to do, and no file is left behind."""
    _lineage(open_store(backend))
    key, piece = "checkpoints/c1/tensors.safetensors", _piece_of(backend, "c1", kv=kv)
    sound = backend.get(key)
    bad = bytearray(sound)
    bad[piece.offset + piece.length - 1] ^= 4
    backend.put(key, bad)
    with pytest.raises(DamagedSnapshot) as caught:
        export_bundle(backend, ["c1", "c2"], tmp_path / "world.arc")
    error = caught.value
    assert piece.key in error.message and key in error.message and "does not match its digest" in error.message
    assert (error.context["piece"], error.context["checkpoint_id"]) == (piece.key, "c1")
    assert ("fsck --repair" in error.what_to_do) == kv
    assert not [path for path in tmp_path.iterdir() if path.name != "objects"]
    backend.put(key, sound)
    export_bundle(backend, ["c1", "c2"], tmp_path / "world.arc")


def test_a_cut_file_and_a_damaged_picture_are_not_exported(open_store: Open, tmp_path: Path) -> None:
    """An existing export is left as it was; a file that ends early and an attachment are named as well."""
    backend = MemoryBackend()
    _lineage(open_store(backend))
    export_bundle(backend, ["c0", "c1"], tmp_path / "world.arc")
    before = (tmp_path / "world.arc").read_bytes()
    for key, named in (("checkpoints/c1/tensors.safetensors", "cut off"), ("checkpoints/c0/frames.png", "its content")):
        sound = backend.get(key)
        backend.put(key, sound[:-1])
        with pytest.raises(DamagedSnapshot, match=named):
            export_bundle(backend, ["c0", "c1"], tmp_path / "world.arc")
        backend.put(key, sound)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_kv_that_left_storage_is_no_damage(open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A light ancestor is exported as it is; KV that leaves during the export asks for another try."""
    backend = MemoryBackend()
    states = _lineage(open_store(backend))
    drop_kv(backend, "c1")
    export_bundle(backend, ["c0", "c1", "c2"], tmp_path / "light.arc")
    elsewhere = MemoryBackend()
    import_bundle(tmp_path / "light.arc", elsewhere)
    assert same_bits(open_store(elsewhere).get("c0")[0], states[0].tensors)
    assert "step_latents" in open_store(elsewhere).get("c2")[0]

    whole = bundle.parts_of

    def then_drop(*args: object) -> object:
        found = whole(*args)  # type: ignore[arg-type]
        drop_kv(backend, "c0")
        return found

    monkeypatch.setattr(bundle, "parts_of", then_drop)
    with pytest.raises(CheckpointUnavailable, match="during the export"):
        export_bundle(backend, ["c0"], tmp_path / "late.arc")
    assert not (tmp_path / "late.arc").exists()


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_parts_are_checked_in_chunks_of_any_size(chunk: int) -> None:
    """Neighbours, gaps, overlaps, an empty part; then one wrong byte anywhere in a part is found, outside it is not."""
    data = bytes(range(40))
    spans = [(2, 5), (7, 9), (10, 20), (20, 20), (20, 31), (25, 28)]
    parts = [Part(a, b - a, digest_of(data[a:b]), f"piece {a}") for a, b in spans]

    def check(given: bytes) -> None:
        checker = PartCheck("checkpoints/c/t", parts)
        for at in range(0, len(given), chunk):
            checker.feed(given[at : at + chunk])
        checker.finish()

    check(data)
    for at in range(len(data)):
        inside = any(a <= at < b for a, b in spans)
        given = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        if inside:
            with pytest.raises(DamagedSnapshot):
                check(given)
        else:
            check(given)
    for length in range(31):
        with pytest.raises(DamagedSnapshot):
            check(data[:length])
