"""Second half of the pipeline: host -> storage, in the order that makes a crash harmless."""

from __future__ import annotations

import json
from dataclasses import replace

from arc_fabric.errors import Conflict
from arc_fabric.store.backends import Backend
from arc_fabric.store.job import WriteJob
from arc_fabric.store.manifest import MANIFEST, TENSORS, digest_of, key_of
from arc_fabric.store.pieces import byte_view


def upload(job: WriteJob, backend: Backend) -> None:
    """Store the new pieces, the attachments, then the manifest. May be repeated after a failure half-way.

    The manifest comes last: a checkpoint exists once it is there, and what lies around without one is an orphan.
    """
    assert job.manifest is not None
    if backend.exists(key_of(job.checkpoint_id, MANIFEST)) and not _is_ours(job, backend):
        raise Conflict(f"Checkpoint {job.checkpoint_id} is already stored.", hint="Ids are never reused.")
    backend.put(key_of(job.checkpoint_id, TENSORS), [job.header, *map(byte_view, job.buffers.values())])
    facts = {}
    for name, value in job.attachments.items():
        data = value if isinstance(value, bytes) else value()
        backend.put(key_of(job.checkpoint_id, name), data)
        facts[name] = {"length": len(data), "digest": digest_of(data)}
    job.manifest = replace(job.manifest, attachments=facts)
    stored = job.manifest.tombstone() if job.delete_requested else job.manifest
    backend.put(key_of(job.checkpoint_id, MANIFEST), stored.encode())


def _is_ours(job: WriteJob, backend: Backend) -> bool:
    """An earlier try of this very job got as far as the manifest, and its answer was lost."""
    assert job.manifest is not None
    body = json.loads(backend.get(key_of(job.checkpoint_id, MANIFEST)))
    return body.get("created") == job.manifest.created and body.get("file") == dict(job.manifest.file)
