"""A portable bundle: checkpoints with everything they refer to in one file, verifiable, for another installation.

The file is an uncompressed zip: the objects under their own keys, and `bundle.json` with every object's length and
digest, the checkpoints that were asked for, and facts the caller adds (tree nodes, a session). Any zip tool can look
inside.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

from arc_fabric.base.files import whole
from arc_fabric.errors import CheckpointUnavailable, Conflict, DamagedSnapshot, InvalidRequest, StoreUnavailable
from arc_fabric.store.backends.base import Backend
from arc_fabric.store.backends.marks import LISTING_VALID_S, claim, marks
from arc_fabric.store.format.manifest import MANIFEST, Manifest, digest_of, is_rebuildable, key_of
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep.bundle_check import key_of_owner, verify
from arc_fabric.store.upkeep.bundle_file import FORMAT, INDEX, MAX_INDEX, VERSION, Bundle, BundleFile, opened
from arc_fabric.store.upkeep.hashing import Part, PartCheck, parts_of

_CHUNK = 4 << 20


def export_bundle(
    backend: Backend, checkpoint_ids: Iterable[str], path: Path, *, extra: Mapping[str, Any] | None = None
) -> Bundle:
    """Write checkpoints, their attachments and the files they share pieces with to `path` (replaced atomically).

    Every piece's digest is checked on its way into the file: damage is an error that names it, and leaves no file.
    Raises CheckpointUnavailable, DamagedSnapshot, StoreUnavailable.
    """
    wanted = tuple(dict.fromkeys(checkpoint_ids))
    manifests = {checkpoint_id: _live(backend, checkpoint_id) for checkpoint_id in wanted}
    parts = parts_of(manifests.values(), lambda owner: manifests.get(owner) or _here(backend, owner))
    objects: dict[str, dict[str, Any]] = {}
    with whole(path) as place, place.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for key, known in parts.items():
                objects[key] = _copy_in(backend, key, known, archive)
                holder = None if key_of_owner(key) in manifests else _here(backend, key_of_owner(key))
                objects[key] |= {"kv_dropped": True} if holder is not None and holder.kv_dropped else {}
            for checkpoint_id in wanted:
                objects |= _copy_manifest_in(backend, checkpoint_id, archive)
            body = {"format": FORMAT, "version": VERSION, "checkpoints": list(wanted), "objects": objects}
            _write_index(archive, body | {"extra": dict(extra or {})})
        file.flush()
        if place.is_file():
            os.fsync(file.fileno())
    return Bundle(wanted, objects, dict(extra or {}))


def _write_index(archive: zipfile.ZipFile, body: Mapping[str, Any]) -> None:
    text = json.dumps(body, indent=1).encode()
    if len(text) > MAX_INDEX:
        raise InvalidRequest(
            "The index of this bundle would be too large to be read again.", hint="Export less at once."
        )
    archive.writestr(INDEX, text)


def read_bundle(path: Path) -> tuple[Bundle, dict[str, Manifest]]:
    """The index of a bundle and its manifests, after verifying all that it holds. Raises InvalidRequest,
    DamagedSnapshot, UnknownFormat."""
    with opened(path) as file:
        return file.index, verify(file)


def import_bundle(path: Path, backend: Backend) -> Bundle:
    """Store a bundle's objects. Verifies everything first, and may be repeated.

    A checkpoint that is here already in the same state is left as it is, also where it has become light; one that was
    deleted comes back. Raises Conflict when an id is taken by another checkpoint; nothing is stored then.
    """
    with opened(path) as file:
        bundle, manifests = file.index, verify(file)
        wanted = _wanted(backend, file, manifests)
        for key, here in wanted.items():
            if not here:
                backend.put(key, file[key])
        # As a writer does (upload.py): a listing older than the manifests may still be acted on.
        if claim(backend, {key: given for key, given in marks(backend).items() if key in bundle.objects}):
            time.sleep(LISTING_VALID_S)
            for key in wanted:
                if not backend.exists(key):
                    backend.put(key, file[key])
    return bundle


def _wanted(backend: Backend, file: BundleFile, manifests: Mapping[str, Manifest]) -> dict[str, bool]:
    """The objects to store, manifests last as in a put, and whether they are here already. Raises Conflict."""
    wanted: dict[str, bool] = {}
    for checkpoint_id, keys in _by_checkpoint(file.index).items():
        here = _here(backend, checkpoint_id)
        manifest = key_of(checkpoint_id, MANIFEST)
        if here is not None and not here.deleted:
            if manifest in keys and not _same_state(here, manifests[checkpoint_id]):
                raise _taken(manifest)
            if manifest in keys or here.kv_dropped:
                continue
        wanted |= {key: key != manifest and _is_here(backend, key, file[key]) for key in keys}
    return dict(sorted(wanted.items(), key=lambda item: item[0].endswith(MANIFEST)))


def _by_checkpoint(bundle: Bundle) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in bundle.objects:
        found.setdefault(key_of_owner(key), []).append(key)
    return found


def _here(backend: Backend, checkpoint_id: str) -> Manifest | None:
    try:
        return load_manifest(backend, checkpoint_id)
    except CheckpointUnavailable:
        return None


def _same_state(a: Manifest, b: Manifest) -> bool:
    """Whether both describe the same tensors and facts, wherever their pieces lie, stored or not."""

    def state(manifest: Manifest) -> list[Any]:
        tensors = {
            name: (record.dtype, record.shape, [(piece.extent, piece.digest) for piece in record.pieces])
            for name, record in manifest.tensors.items()
        }
        return [manifest.parent_id, tensors, manifest.meta]

    return state(a) == state(b)


def _is_here(backend: Backend, key: str, wanted: memoryview) -> bool:
    """Whether these very bytes are stored. Raises Conflict when others are."""
    try:
        same = backend.stat(key).size == len(wanted) and all(
            backend.get(key, at, min(_CHUNK, len(wanted) - at)) == wanted[at : at + _CHUNK]
            for at in range(0, len(wanted), _CHUNK)
        )
    except KeyError:
        return False
    except ValueError as error:
        raise StoreUnavailable(f"{key} changed while it was read.") from error
    if not same:
        raise _taken(key)
    return True


def _taken(key: str) -> Conflict:
    return Conflict(f"{key} is stored already, with other bytes.", hint="Import into another bucket.", object=key)


def _live(backend: Backend, checkpoint_id: str) -> Manifest:
    manifest = load_manifest(backend, checkpoint_id)
    if manifest.deleted:
        raise InvalidRequest(f"The payload of checkpoint {checkpoint_id} was deleted; it cannot be exported.")
    return manifest


def _copy_in(backend: Backend, key: str, parts: Iterable[Part], archive: zipfile.ZipFile) -> dict[str, Any]:
    """Copy one object, checking what is known of it; its length and digest."""
    hasher, check = blake3(), PartCheck(key, parts)
    try:
        length = backend.stat(key).size
        with archive.open(key, "w", force_zip64=True) as out:
            for at in range(0, length, _CHUNK):
                data = backend.get(key, at, min(_CHUNK, length - at))
                hasher.update(data)
                check.feed(data)
                out.write(data)
        check.finish()
    except DamagedSnapshot as error:
        _raise_if_dropped(backend, key, error)
        raise
    except (KeyError, ValueError) as error:
        raise DamagedSnapshot(
            f"{key} is missing or changed during the export.",
            hint="Export again; if it is missing still, 'arc-fabric fsck --repair' puts back what can be rebuilt.",
            object=key,
        ) from error
    return {"length": length, "digest": hasher.hexdigest()}


def _raise_if_dropped(backend: Backend, key: str, error: DamagedSnapshot) -> None:
    """Not damage, if the KV that is missed left storage since the manifests were read."""
    holder = _here(backend, key_of_owner(key))
    if holder is not None and holder.kv_dropped and is_rebuildable(error.context["piece"]):
        raise CheckpointUnavailable(f"{key} lost its KV during the export.", hint="Export again.") from error


def _copy_manifest_in(backend: Backend, checkpoint_id: str, archive: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    """Copy a manifest as it is stored now: its KV may have left storage since it was read first."""
    data = _live(backend, checkpoint_id).encode()
    key = key_of(checkpoint_id, MANIFEST)
    archive.writestr(key, data)
    return {key: {"length": len(data), "digest": digest_of(data)}}
