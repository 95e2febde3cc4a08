"""Where the new pieces of a checkpoint lie in its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from arc_fabric.store.format.manifest import Manifest, Piece, TensorRecord, digest_of, header_bytes, is_rebuildable
from arc_fabric.store.write.job import WriteJob


def lay_out(job: WriteJob, records: Mapping[str, TensorRecord]) -> Manifest:
    """Place every piece that has a key but no checkpoint yet: each digest once, KV last (so that it can be cut off).

    Sets `job.header` and the order of `job.buffers`; returns the manifest.
    """
    fresh = _fresh(records)
    header = header_bytes((p.key, r.dtype, r.piece_shape(p), p.length) for r, p in fresh)
    homes: dict[str, Piece] = {}
    at = len(header)
    for _, piece in fresh:
        homes[piece.digest] = replace(piece, checkpoint=job.checkpoint_id, offset=at)
        at += piece.length
    job.header = header
    job.buffers = {digest: job.buffers[digest] for digest in homes}
    return Manifest(
        checkpoint_id=job.checkpoint_id,
        parent_id=job.parent_id,
        created=job.created,
        tensors={name: _settle(record, homes) for name, record in records.items()},
        meta=job.meta,
        file={"length": at, "header_length": len(header), "header_digest": digest_of(header)},
    )


def _fresh(records: Mapping[str, TensorRecord]) -> list[tuple[TensorRecord, Piece]]:
    found: dict[str, tuple[TensorRecord, Piece]] = {}
    for record in sorted(records.values(), key=lambda r: is_rebuildable(r.name)):
        for piece in record.pieces:
            if piece.key and not piece.checkpoint:
                found.setdefault(piece.digest, (record, piece))
    return list(found.values())


def _settle(record: TensorRecord, homes: Mapping[str, Piece]) -> TensorRecord:
    pieces = tuple(
        replace(homes[p.digest], extent=p.extent, fingerprint=p.fingerprint) if p.key and not p.checkpoint else p
        for p in record.pieces
    )
    return replace(record, pieces=pieces)
