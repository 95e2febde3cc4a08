"""Bundles that somebody made to do harm: each is refused with a clear error, nothing is stored, and little memory used.

A case takes a sound bundle apart, changes it, and puts it together again with digests that fit, where it can.
"""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arc_fabric.errors import ArcFabricError, DamagedSnapshot, UnknownFormat
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.format.manifest import digest_of
from arc_fabric.store.upkeep.bundle import export_bundle, import_bundle
from arc_fabric.store.upkeep.bundle_check import check_nodes, verify
from arc_fabric.store.upkeep.bundle_file import INDEX, opened
from tests.store.states import State

Open = Callable[..., SnapshotStore]
Parts = dict[str, bytes]
MANIFEST, TENSORS = "checkpoints/c1/manifest.json", "checkpoints/c1/tensors.safetensors"


@pytest.fixture
def parts(open_store: Open, tmp_path: Path) -> Parts:
    """The members of a sound bundle of two checkpoints."""
    backend = MemoryBackend()
    store, state = open_store(backend), State.root()
    store.put("c0", state.entries(), {}, attachments={"frames.png": b"png"})
    store.put("c1", state.step(1).entries(), {"prompt": "p"}, parent_id="c0")
    store.flush(10)
    export_bundle(backend, ["c0", "c1"], tmp_path / "sound.zip", extra={"nodes": [], "sessions": []})
    with zipfile.ZipFile(tmp_path / "sound.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(parts: Parts, path: Path, *, honest: bool = True, compression: int = zipfile.ZIP_STORED) -> Path:
    """Put together; the index says the length and digest of what is there."""
    parts = dict(parts)
    if honest:
        index = json.loads(parts[INDEX])
        index["objects"] = {
            name: {"length": len(data), "digest": digest_of(data)} for name, data in parts.items() if name != INDEX
        }
        parts[INDEX] = json.dumps(index).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def manifest_with(parts: Parts, change: Callable[[dict[str, Any]], None], key: str = MANIFEST) -> Parts:
    """A changed manifest whose own digest fits."""
    body = json.loads(parts[key])
    body.pop("digest")
    change(body)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = digest_of(text.encode())
    return parts | {key: json.dumps(body | {"digest": digest}, sort_keys=True, separators=(",", ":")).encode()}


def index_with(parts: Parts, **changes: Any) -> Parts:
    """Another index, not made to fit."""
    return parts | {INDEX: json.dumps(json.loads(parts[INDEX]) | changes).encode()}


def first_piece(body: dict[str, Any]) -> dict[str, Any]:
    """A stored piece of some tensor."""
    pieces = (piece for record in body["tensors"].values() for piece in record["pieces"])
    return next(piece for piece in pieces if piece.get("checkpoint") == "c1")


def first_tensor(body: dict[str, Any]) -> dict[str, Any]:
    """A tensor with an axis."""
    return next(record for record in body["tensors"].values() if record["axis"] is not None)


def refused(path: Path, says: str = "", kind: type[ArcFabricError] = DamagedSnapshot) -> None:
    """The import ends with this error, and the store is as empty as it was."""
    elsewhere = MemoryBackend()
    with pytest.raises(kind) as caught:
        import_bundle(path, elsewhere)
    assert says in caught.value.message, caught.value.message
    assert caught.value.what_to_do
    assert not list(elsewhere.list(""))


def test_the_sound_bundle_is_taken(parts: Parts, tmp_path: Path) -> None:
    """What the cases below change is sound before."""
    import_bundle(written(parts, tmp_path / "b.zip"), MemoryBackend())


def test_tampered_tensors_are_seen_though_the_index_fits(parts: Parts, tmp_path: Path) -> None:
    """The manifest's digests of pieces are what counts (0.1.0 compared the index's alone)."""
    data = bytearray(parts[TENSORS])
    data[-1] ^= 1
    refused(written(parts | {TENSORS: bytes(data)}, tmp_path / "b.zip"), "does not match its digest")
    refused(written(parts | {TENSORS: bytes(data[:-8])}, tmp_path / "b.zip"), "cut off")
    refused(written(parts | {"checkpoints/c0/frames.png": b"gnp"}, tmp_path / "b.zip"), "does not match its digest")


@pytest.mark.parametrize("key", [MANIFEST, TENSORS, "checkpoints/c0/frames.png", "checkpoints/c0/tensors.safetensors"])
def test_what_a_checkpoint_needs_must_be_there(parts: Parts, tmp_path: Path, key: str) -> None:
    """Manifests, files of its own and of ancestors, attachments."""
    refused(written({k: v for k, v in parts.items() if k != key}, tmp_path / "b.zip"), "is not in the bundle")


@pytest.mark.parametrize(
    "key",
    [
        "gc/clock", "inputs/x.png", "checkpoints/../../etc/passwd", "checkpoints/c1", "checkpoints/c1/a/b",
        "c1/manifest.json", "checkpoints//x", "checkpoints/c9/tensors.safetensors", "checkpoints/c1/more.bin",
        "/checkpoints/c1/x", "checkpoints/\0/x",
    ],
)  # fmt: skip
def test_keys_that_no_checkpoint_has_are_refused(parts: Parts, tmp_path: Path, key: str) -> None:
    """Outside of checkpoints/, or what no manifest of the bundle names."""
    refused(written(parts | {key: b"x"}, tmp_path / "b.zip"), kind=ArcFabricError)


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "shape": lambda body: first_tensor(body)["shape"].append(2),
    "a negative shape": lambda body: first_tensor(body).update(shape=[-1] * len(first_tensor(body)["shape"])),
    "a huge shape": lambda body: first_tensor(body).update(shape=[1 << 40, 1 << 40]),
    "a shape of texts": lambda body: first_tensor(body).update(shape=["x"]),
    "dtype": lambda body: first_tensor(body).update(dtype="F1024"),
    "axis": lambda body: first_tensor(body).update(axis=99),
    "extent": lambda body: first_piece(body).update(extent=10**6),
    "length": lambda body: first_piece(body).update(length=1),
    "offset": lambda body: first_piece(body).update(offset=1 << 50),
    "a negative offset": lambda body: first_piece(body).update(offset=-4),
    "digest": lambda body: first_piece(body).update(digest="x" * 64),
    "another checkpoint's file": lambda body: first_piece(body).update(checkpoint="c0"),
    "a file outside": lambda body: first_piece(body).update(checkpoint="../secrets"),
    "no pieces": lambda body: first_tensor(body).update(pieces=[]),
    "pieces of numbers": lambda body: first_tensor(body).update(pieces=[1, 2]),
    "zeros without end": lambda body: body["tensors"].update(
        z={"dtype": "U8", "shape": [1 << 60], "axis": None, "unit": 1, "pieces": [
            {"extent": 1, "length": 1 << 60, "zero": True}]}),
    "tensors as a list": lambda body: body.update(tensors=[]),
    "an attachment over the manifest": lambda body: body["attachments"].update(
        {"manifest.json": {"length": 1, "digest": "0" * 64}}),
    "an attachment outside": lambda body: body["attachments"].update({"../x": {"length": 1, "digest": "0" * 64}}),
    "an attachment undescribed": lambda body: body["attachments"].update({"x": {}}),
    "a parent outside": lambda body: body.update(parent_id="../c0"),
    "a parent of numbers": lambda body: body.update(parent_id=7),
    "deleted": lambda body: body.update(deleted=True),
    "no time": lambda body: body.update(created="now"),
    "meta as a text": lambda body: body.update(meta="x"),
    "another id": lambda body: body.update(checkpoint_id="c0"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_manifests_of_another_form_are_refused(parts: Parts, tmp_path: Path, what: str) -> None:
    """Their digest fits, and so does the index."""
    refused(written(manifest_with(parts, CHANGES[what]), tmp_path / "b.zip"), kind=ArcFabricError)


@pytest.mark.parametrize(
    "text",
    [b"", b"[" * 200_000, b"{}", b"null", b"\xff", b'{"a":NaN}', b"7" * 5000, b'{"format":"arc-fabric-snapshot"}'],
)
def test_what_is_no_manifest_or_index_is_no_traceback(parts: Parts, tmp_path: Path, text: bytes) -> None:
    """Not JSON, nested without end, or of another kind."""
    refused(written(parts | {MANIFEST: text}, tmp_path / "b.zip"), kind=ArcFabricError)
    refused(written(parts | {INDEX: text}, tmp_path / "b.zip", honest=False), kind=ArcFabricError)


@pytest.mark.parametrize(
    "changes",
    [
        {"objects": []}, {"objects": {TENSORS: 1}}, {"objects": {TENSORS: {"length": "1", "digest": ""}}},
        {"checkpoints": "c1"}, {"checkpoints": [1]}, {"checkpoints": ["../x"]}, {"extra": []}, {"extra": {"nodes": {}}},
        {"extra": {"sessions": 1}},
        {"extra": {"nodes": ["\ud800"]}}, {"extra": {"nodes": ["x" * 100_001]}}, {"extra": {"nodes": [10**19]}},
        {"format": "zip"}, {"checkpoints": ["c0"]}, {"checkpoints": []},
    ],
    ids=repr,
)  # fmt: skip
def test_indexes_of_another_form_are_refused(parts: Parts, tmp_path: Path, changes: dict[str, Any]) -> None:
    """With a reason, not a traceback; so is one that leaves out what the file holds."""
    refused(written(index_with(parts, **changes), tmp_path / "b.zip", honest=False), kind=ArcFabricError)


def test_a_later_version_is_told(parts: Parts, tmp_path: Path) -> None:
    """It is no damage."""
    refused(written(index_with(parts, version=2), tmp_path / "b.zip", honest=False), "version 2", UnknownFormat)


def test_a_bomb_costs_no_memory(parts: Parts, tmp_path: Path) -> None:
    """What is compressed is refused by its header: 300 MB of index or tensors in a file of 300 KB."""
    for name in (INDEX, TENSORS):
        path = written(
            parts | {name: bytes(300 << 20)}, tmp_path / "b.zip", honest=False, compression=zipfile.ZIP_DEFLATED
        )
        tracemalloc.start()
        refused(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()


def test_a_large_object_is_stored_from_the_file(parts: Parts, tmp_path: Path) -> None:
    """It is never a copy in memory: what the store is given are views."""
    given: list[type] = []

    class Store(MemoryBackend):
        def put(self, key: str, parts: Any) -> None:
            given.append(type(parts))
            super().put(key, parts)

    import_bundle(written(parts, tmp_path / "b.zip"), Store())
    assert set(given) == {memoryview}


def test_zips_that_are_not_as_export_writes_them(parts: Parts, tmp_path: Path) -> None:
    """A name twice, parts that overlap, a directory that lies, a comment, an encrypted part, no zip at all."""
    path = written(parts, tmp_path / "b.zip")
    sound = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(MANIFEST, parts[MANIFEST])
    refused(path, "twice")
    start = struct.unpack_from("<L", sound, len(sound) - 6)[0]
    for at, value in (
        (start + 42, 8),
        (start + 24, 1),
        (start + 20, 1 << 30),
        (start + 8, 1),
        (len(sound) - 10, 1 << 30),
    ):
        bad = bytearray(sound)
        struct.pack_into("<L" if at != start + 8 else "<H", bad, at, value)
        path.write_bytes(bad)
        refused(path, kind=ArcFabricError)
    for bad in (b"", b"PK", sound[:-1], sound + b"x", b"x" * 1000, sound[:-22]):
        path.write_bytes(bad)
        refused(path, kind=ArcFabricError)
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"hello"
        archive.writestr(INDEX, parts[INDEX])
    refused(path, "does not end as")
    refused(tmp_path, kind=ArcFabricError)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no plain file", kind=ArcFabricError)
    refused(tmp_path / "none.zip", kind=ArcFabricError)


def test_a_file_of_more_than_four_gigabytes_is_read(parts: Parts, tmp_path: Path) -> None:
    """Its end says where things are in the records for large files."""
    sound = written(parts, tmp_path / "b.zip")
    with (tmp_path / "large.zip").open("wb") as file, zipfile.ZipFile(sound) as source:
        file.seek(5 << 30)  # a hole
        with zipfile.ZipFile(file, "w") as archive:
            for name in source.namelist():
                archive.writestr(name, source.read(name))
    with opened(tmp_path / "large.zip") as large, opened(sound) as small:
        assert large.index == small.index
        assert all(large[key] == small[key] for key in small.index.objects)


def test_nodes_stand_where_their_manifests_say(parts: Parts, tmp_path: Path) -> None:
    """A tree of other parents than the payloads' is refused."""
    with opened(written(parts, tmp_path / "b.zip")) as file:
        manifests = verify(file)
    check_nodes([{"id": "c1", "parent": "c0"}, {"id": "c0", "parent": None}, "odd", {"id": 7}], manifests)
    with pytest.raises(DamagedSnapshot, match="another parent"):
        check_nodes([{"id": "c1", "parent": None}], manifests)
