"""One stored object against what a manifest says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, UnknownFormat
from arc_fabric.store.backends.base import Backend
from arc_fabric.store.format.manifest import TENSORS, Manifest, Piece, digest_of, is_rebuildable, key_of
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep.check.damage import Problem


class Objects:
    """Reads parts of objects and compares. All methods may be called from many threads, and raise StoreUnavailable."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def header(self, owner: Manifest, size: int) -> Problem | None:
        """Header and length of a checkpoint's own file, which has `size` bytes."""
        key, who = key_of(owner.checkpoint_id, TENSORS), (owner.checkpoint_id,)
        if owner.kv_dropped and size > owner.file["length"]:
            return None  # a drop that was cut off after the manifest: the file is the old one, with its old header
        header = self._read(key, 0, int(owner.file["header_length"]))
        if header is None or digest_of(header) != owner.file["header_digest"]:
            if not owner.kv_dropped and self._is_dropped_now(owner.checkpoint_id):
                return None
            return Problem(
                "header", key, "the safetensors header does not match its digest (pieces are found without it)", who
            )
        if size != owner.file["length"] and not owner.kv_dropped:
            return Problem("short", key, f"has {size} bytes, not {owner.file['length']}", who)
        return None

    def is_good(self, piece: Piece) -> bool:
        """Whether a piece's bytes match its digest, or have left storage meanwhile as KV may."""
        data = self._read(key_of(piece.checkpoint, TENSORS), piece.offset, piece.length)
        good = data is not None and digest_of(data) == piece.digest
        return good or (is_rebuildable(piece.key) and self._is_dropped_now(piece.checkpoint))

    def attachment(self, checkpoint_id: str, name: str, facts: Mapping[str, Any]) -> Problem | None:
        """All bytes of an attachment."""
        key = key_of(checkpoint_id, name)
        data = self._read(key, 0, facts["length"])
        if data is not None and digest_of(data) == facts["digest"]:
            return None
        return Problem("attachment", key, "it does not match its digest", (checkpoint_id,))

    def size(self, checkpoint_id: str) -> int | None:
        """Bytes of a checkpoint's file as it is now; None: it is not there."""
        try:
            return self._backend.stat(key_of(checkpoint_id, TENSORS)).size
        except KeyError:
            return None

    def _is_dropped_now(self, checkpoint_id: str) -> bool:
        """Whether its KV left storage while we looked."""
        try:
            return load_manifest(self._backend, checkpoint_id).kv_dropped
        except (CheckpointUnavailable, DamagedSnapshot, UnknownFormat):
            return False

    def _read(self, key: str, offset: int, length: int) -> bytes | None:
        try:
            return self._backend.get(key, offset, length)
        except (KeyError, ValueError):
            return None
