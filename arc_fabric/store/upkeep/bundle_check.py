"""What the objects of a bundle hold, checked before any of it is stored: whoever sent it, it is what `export` writes.

Digests of objects show damage on the way; what makes a checkpoint is checked as well: every manifest is there and of
the right form, shapes and lengths agree, every piece that a manifest names lies in the bundle with the digest that it
must have, and there is nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from arc_fabric.errors import ArcFabricError, DamagedSnapshot
from arc_fabric.store.format.manifest import (
    ITEMSIZE,
    MANIFEST,
    ROOT,
    TENSORS,
    Manifest,
    Piece,
    TensorRecord,
    check_id,
    decode_manifest,
    is_rebuildable,
    key_of,
)
from arc_fabric.store.upkeep.bundle_file import BundleFile
from arc_fabric.store.upkeep.hashing import Part, PartCheck, parts_of

_CHUNK = 4 << 20
MAX_MANIFEST = 256 << 20
MAX_BYTES = 1 << 36
"""Of the tensors of one checkpoint, zeros included: 64 GiB."""
_DIGEST = re.compile("[0-9a-f]{64}")


def verify(file: BundleFile) -> dict[str, Manifest]:
    """The manifests by checkpoint. Raises DamagedSnapshot, UnknownFormat."""
    objects = file.index.objects
    manifests = {i: _manifest(file, i) for i in dict.fromkeys(file.index.checkpoints)}
    parts = parts_of(manifests.values(), manifests.get)
    expected = {*parts, *(key_of(checkpoint_id, MANIFEST) for checkpoint_id in manifests)}
    for key in sorted(expected ^ objects.keys()):
        raise _damaged(key, "is not in the bundle" if key in expected else "belongs to none of its checkpoints")
    for key, wanted in parts.items():
        light = objects[key].get("kv_dropped") is True and key_of_owner(key) not in manifests
        _check_bytes(file, key, [part for part in wanted if not (light and is_rebuildable(part.piece))])
    return manifests


def key_of_owner(key: str) -> str:
    """The checkpoint that an object belongs to."""
    return key.removeprefix(ROOT).partition("/")[0]


def _manifest(file: BundleFile, checkpoint_id: str) -> Manifest:
    key = key_of(checkpoint_id, MANIFEST)
    if key not in file.index.objects:
        raise _damaged(key, "is not in the bundle")
    if len(file[key]) > MAX_MANIFEST:
        raise _damaged(key, f"has more than {MAX_MANIFEST} bytes")
    _check_bytes(file, key, [])
    try:
        manifest = decode_manifest(bytes(file[key]), checkpoint_id)
        _check_form(manifest)
    except ArcFabricError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged(key, f"is of another form: {error}") from None
    return manifest


def _check_bytes(file: BundleFile, key: str, parts: list[Part]) -> None:
    """Its own digest, and that of each part that a manifest names."""
    hasher, check, view = blake3(), PartCheck(key, parts), file[key]
    for at in range(0, len(view), _CHUNK):
        data = view[at : at + _CHUNK]
        hasher.update(data)
        check.feed(data)
    check.finish()
    if hasher.hexdigest() != file.index.objects[key]["digest"]:
        raise _damaged(key, "does not match its digest")


def _check_form(manifest: Manifest) -> None:
    """Raises ValueError, TypeError or InvalidRequest."""
    _require(manifest.deleted is False, "it is marked as deleted")
    if manifest.parent_id is not None:
        check_id(manifest.parent_id)
    _require(type(manifest.created) in (int, float) and 0 <= manifest.created < 1e12, "its time is none")
    for part in (manifest.meta, manifest.file, manifest.attachments):
        _require(isinstance(part, dict), "a part of it is no object")
    for name, facts in manifest.attachments.items():
        check_id(name)
        _require(name not in (MANIFEST, TENSORS), f"it attaches {name}")
        _require(_count(facts["length"]) and _is_digest(facts["digest"]), f"attachment {name} is not described")
    for record in manifest.tensors.values():
        _check_tensor(record)
    _require(sum(record.nbytes for record in manifest.tensors.values()) <= MAX_BYTES, "its tensors are too large")


def _check_tensor(record: TensorRecord) -> None:
    what = f"tensor {record.name!r}"
    _require(record.dtype in ITEMSIZE, f"{what} has an unknown dtype")
    _require(all(map(_count, record.shape)) and _count(record.unit), f"{what} has no shape")
    _require(math.prod(record.shape) * ITEMSIZE[record.dtype] <= MAX_BYTES, f"{what} is too large")
    if record.axis is None:
        _require(len(record.pieces) == 1, f"{what} is not one piece")
    else:
        _require(_count(record.axis) and record.axis < len(record.shape), f"{what} has no such axis")
    for piece in record.pieces:
        _check_piece(piece, what)
        expected = math.prod(record.piece_shape(piece)) * ITEMSIZE[record.dtype]
        _require(piece.length == expected, f"a piece of {what} has {piece.length} bytes, its shape {expected}")
    if record.axis is not None:
        extent = sum(piece.extent for piece in record.pieces)
        _require(extent == record.shape[record.axis], f"the pieces of {what} do not make up its shape")


def _check_piece(piece: Piece, what: str) -> None:
    _require(_count(piece.extent) and _count(piece.length) and _count(piece.offset), f"a piece of {what} has no place")
    _require(not piece.digest or _is_digest(piece.digest), f"a piece of {what} has no digest")
    _require(isinstance(piece.key, str) and isinstance(piece.fingerprint, str), f"a piece of {what} has no name")
    if piece.checkpoint:
        check_id(piece.checkpoint)
        _require(bool(piece.digest), f"a piece of {what} has a place but no digest")


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _damaged(key: str, what: str) -> DamagedSnapshot:
    return DamagedSnapshot(
        f"{key} {what}.", hint="Nothing of this bundle was stored. Get it, or export it, again.", object=key
    )


def check_nodes(nodes: list[Any], manifests: Mapping[str, Manifest]) -> None:
    """The tree nodes that a bundle lists stand where its manifests say. Raises DamagedSnapshot."""
    for node in nodes:
        manifest = manifests.get(node["id"]) if isinstance(node, dict) and isinstance(node.get("id"), str) else None
        if manifest is not None and node.get("parent") != manifest.parent_id:
            raise _damaged(key_of(manifest.checkpoint_id, MANIFEST), "names another parent than the node of the tree")
