"""Making a stored checkpoint light: its KV pieces leave its file, everything else keeps its place."""

from __future__ import annotations

from dataclasses import replace

from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import (
    MANIFEST,
    TENSORS,
    Manifest,
    digest_of,
    header_bytes,
    is_rebuildable,
    key_of,
)
from arc_fabric.store.read.reader import load_manifest


def drop_kv(backend: Backend, checkpoint_id: str) -> tuple[Manifest, int]:
    """Take the KV out of a checkpoint's file; returns its new manifest and the bytes freed.

    Descendants that share the dropped pieces become light, too: their KV is rebuilt when they are restored. The
    manifest goes first: a crash in between leaves bytes that nobody refers to, never references without bytes.
    """
    manifest = load_manifest(backend, checkpoint_id)
    if manifest.deleted:
        raise CheckpointUnavailable(
            f"The payload of checkpoint {checkpoint_id} was deleted.", checkpoint_id=checkpoint_id
        )
    kept = [(record, piece) for record, piece in manifest.own_parts() if not is_rebuildable(piece.key)]
    start = int(manifest.file["header_length"])
    end = max([start, *(piece.offset + piece.length for _, piece in kept)])
    header = header_bytes(((p.key, r.dtype, r.piece_shape(p), p.length) for r, p in kept), pad_to=start)
    file = {"length": end, "header_length": start, "header_digest": digest_of(header), "kv_dropped": True}
    lean = replace(manifest.without_kv_of({checkpoint_id}), file=file)
    data = backend.get(key_of(checkpoint_id, TENSORS), start, end - start)
    backend.put(key_of(checkpoint_id, MANIFEST), lean.encode())
    backend.put(key_of(checkpoint_id, TENSORS), [header, data])
    return lean, manifest.bytes_new - lean.bytes_new
