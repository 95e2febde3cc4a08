"""Second half of the pipeline: host -> storage, in the order that makes a crash harmless and a collector safe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from arc_fabric.errors import CheckpointUnavailable, Conflict, StoreError
from arc_fabric.store.backends import Backend
from arc_fabric.store.backends.marks import DELETED_MARK_S, LISTING_VALID_S, claim, marks_on
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, Piece, TensorRecord, digest_of, key_of
from arc_fabric.store.format.pieces import byte_view
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.tiers import HostTier
from arc_fabric.store.write.job import WriteJob
from arc_fabric.store.write.layout import lay_out

log = logging.getLogger(__name__)
_MOST_SEEN = 4096
Sleep = Callable[[float], None]


class Uploader:
    """Stores the new pieces, the attachments, then the manifest: what lies around without a manifest is an orphan.

    Afterwards it makes sure that no collector took a file the manifest refers to (see collector.py): a file not
    marked now and still there cannot be deleted any more, because every later listing sees the manifest.
    """

    def __init__(self, backend: Backend, host: HostTier, *, sleep: Sleep) -> None:
        self._backend = backend
        self._host = host
        self._sleep = sleep
        self._seen: dict[str, float] = {}
        """Checkpoint id -> when (monotonic) its tensors file was known to be there."""

    def upload(self, job: WriteJob) -> None:
        """Make one job durable. May be repeated after a failure half-way, also by another process that makes the same
        checkpoint again: what is stored equal is stored.

        Raises StoreUnavailable, Conflict, PiecesCollected.
        """
        stored = None if job.new_id else self._stored(job)
        job.new_id = False
        if stored is None:
            self._store(job)
        else:
            job.manifest = stored
            job.bytes_stored = stored.bytes_stored()
        while not job.delete_requested:
            marked, gone = self._endangered(_manifest(job))
            if marked:
                log.warning("checkpoint %s: a collector is at work on files it shares; waiting", job.checkpoint_id)
                self._sleep(LISTING_VALID_S)
                gone = self._gone(_manifest(job))
            if not gone:
                return
            self._backend.delete(key_of(job.checkpoint_id, MANIFEST))  # it must not dangle, whatever comes
            self._adopt(job, gone)
            self._store(job)

    def _store(self, job: WriteJob) -> None:
        manifest = _manifest(job)
        self._seen[job.checkpoint_id] = time.monotonic()
        self._backend.put(key_of(job.checkpoint_id, TENSORS), [job.header, *map(byte_view, job.buffers.values())])
        facts = {}
        for name, value in job.attachments.items():
            data = value if isinstance(value, bytes) else value()
            self._backend.put(key_of(job.checkpoint_id, name), data)
            facts[name] = {"length": len(data), "digest": digest_of(data)}
        job.manifest = replace(manifest, attachments=facts)
        stored = job.manifest.tombstone() if job.delete_requested else job.manifest
        encoded = stored.encode()
        self._backend.put(key_of(job.checkpoint_id, MANIFEST), encoded)
        job.bytes_stored = job.manifest.bytes_stored(encoded)

    def _stored(self, job: WriteJob) -> Manifest | None:
        """The stored manifest, if an earlier try got as far as that; its attachments are there then. Raises Conflict
        when the id is taken by something else."""
        try:
            stored = load_manifest(self._backend, job.checkpoint_id)
        except CheckpointUnavailable:
            return None
        if not _same(stored, _manifest(job)) and not (stored.deleted and job.delete_requested):
            raise Conflict(f"Checkpoint {job.checkpoint_id} is already stored.", hint="Ids are never reused.")
        return stored

    def _endangered(self, manifest: Manifest) -> tuple[bool, set[str]]:
        """Whether a file it refers to may be about to be deleted; and which checkpoints' file is not there, whoever
        took it. Puts marks of its own in place.

        Where there is no mark, a file that was there lately is not asked for: had it been deleted since, its mark would
        still be there.
        """
        now = time.monotonic()
        needed = manifest.references()
        keys = {key_of(i, TENSORS) for i in needed}
        found = marks_on(self._backend, keys, key_of(manifest.checkpoint_id, ""))
        if claim(self._backend, found):
            return True, set()
        age = 0.0 if found else DELETED_MARK_S / 2
        unsure = {i for i in needed if now - self._seen.get(i, -DELETED_MARK_S) > age}
        gone = self._missing(unsure)
        if len(self._seen) > _MOST_SEEN:
            self._seen = {}
        self._seen.update(dict.fromkeys(unsure - gone, now))
        return False, gone

    def _gone(self, manifest: Manifest) -> set[str]:
        """The checkpoints of which something that it refers to was deleted."""
        own = manifest.checkpoint_id
        whole = all(self._backend.exists(key_of(own, name)) for name in manifest.attachments)
        return self._missing(manifest.references()) | (set() if whole else {own})

    def _missing(self, checkpoint_ids: set[str]) -> set[str]:
        return {i for i in checkpoint_ids if not self._backend.exists(key_of(i, TENSORS))}

    def _adopt(self, job: WriteJob, gone: set[str]) -> None:
        """Store pieces whose file was collected in this checkpoint's own file, from host memory."""
        records = {
            name: _unsettle(record, gone | {job.checkpoint_id}) for name, record in _manifest(job).tensors.items()
        }
        for record in records.values():
            for piece in record.pieces:
                if piece.key and not piece.checkpoint and piece.digest not in job.buffers:
                    buffer = self._host.get(piece.digest)
                    if buffer is None:
                        raise PiecesCollected(job.checkpoint_id, gone)
                    job.buffers[piece.digest] = buffer
                    self._host.pin([piece.digest])
        job.manifest = lay_out(job, records)


class PiecesCollected(StoreError):
    """A checkpoint shares pieces whose files were collected before it was stored, and no copy is at hand."""

    hint = "Take the checkpoint again: its pieces are then stored anew."

    def __init__(self, checkpoint_id: str, gone: set[str]) -> None:
        super().__init__(f"{checkpoint_id} shares pieces with {', '.join(sorted(gone))}, whose payload was collected.")
        self.gone = gone


def _same(stored: Manifest, made: Manifest) -> bool:
    """Whether both hold the same state in the same places; when they were made is no part of it."""
    return (stored.parent_id, stored.file, stored.tensors, _timeless(stored.meta)) == (
        made.parent_id, made.file, made.tensors, _timeless(made.meta),
    )  # fmt: skip


def _timeless(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in meta.items() if name != "timestamp"}


def _manifest(job: WriteJob) -> Manifest:
    assert job.manifest is not None, "a job is gathered before it is uploaded"
    return job.manifest


def _unsettle(record: TensorRecord, homes: set[str]) -> TensorRecord:
    """The record with the pieces of these files waiting for a place again."""
    pieces: list[Piece] = []
    at = 0
    for piece in record.pieces:
        moved = (
            replace(piece, checkpoint="", offset=0, key=f"{record.name}@{at}") if piece.checkpoint in homes else piece
        )
        pieces.append(moved)
        at += piece.extent
    return replace(record, pieces=tuple(pieces))
