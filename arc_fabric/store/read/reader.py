"""The read side for processes without torch (the web): manifests, one step's latents, attachments."""

from __future__ import annotations

from typing import Any

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, FrameNotFound
from arc_fabric.store.backends.base import Backend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, check_id, decode_manifest, digest_of, key_of

MOST_BYTES = 1 << 30
"""Of one tensor that is read whole; zeros have a size and take no storage."""


class SnapshotReader:
    """Reads durable checkpoints, verifying every byte against its digest. Thread-safe; holds nothing in memory.

    reader = SnapshotReader(backend)
    dtype, shape, data = reader.latents("ckp_...")   # "BF16", (1, 2, 16, 44, 80), bytes
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def exists(self, checkpoint_id: str) -> bool:
        """Whether the checkpoint is durable and its payload was not deleted."""
        try:
            self._load(checkpoint_id)
        except CheckpointUnavailable:
            return False
        return True

    def manifest(self, checkpoint_id: str) -> dict[str, Any]:
        """The manifest as a JSON object."""
        return self._load(checkpoint_id).to_json()

    def latents(self, checkpoint_id: str) -> tuple[str, tuple[int, ...], bytes]:
        """`step_latents`, the latents this step added: dtype as safetensors writes it, shape, C-contiguous bytes.
        Raises FrameNotFound where there are none."""
        if "step_latents" not in self._load(checkpoint_id).tensors:
            raise FrameNotFound(
                f"Checkpoint {checkpoint_id} has no latents: its model works without, or it is a root.",
                hint="Ask for its frames.",
            )
        return self.tensor(checkpoint_id, "step_latents")

    def tensor(self, checkpoint_id: str, name: str) -> tuple[str, tuple[int, ...], bytes]:
        """One tensor (dtype, shape, bytes); it must consist of one piece along its axis."""
        manifest = self._load(checkpoint_id)
        record = manifest.tensors.get(name)
        if record is None or not record.loadable or len(record.pieces) != 1:
            raise CheckpointUnavailable(
                f"Checkpoint {checkpoint_id} has no tensor {name!r} stored in one piece.", checkpoint_id=checkpoint_id
            )
        if record.nbytes > MOST_BYTES:
            raise DamagedSnapshot(
                f"Tensor {name!r} of checkpoint {checkpoint_id} has {record.nbytes} bytes, more than any step adds.",
                checkpoint_id=checkpoint_id,
            )
        (piece,) = record.pieces
        if piece.zero:
            return record.dtype, record.shape, bytes(piece.length)
        key = key_of(piece.checkpoint, TENSORS)
        return record.dtype, record.shape, self._verified(key, piece.offset, piece.length, piece.digest, checkpoint_id)

    def attachment(self, checkpoint_id: str, name: str) -> bytes:
        """An attached object such as `frames.png`."""
        facts = self._load(checkpoint_id).attachments.get(name)
        if facts is None:
            raise CheckpointUnavailable(
                f"Checkpoint {checkpoint_id} has no attachment {name!r}.", checkpoint_id=checkpoint_id
            )
        key = key_of(checkpoint_id, name)
        return self._verified(key, 0, facts["length"], facts["digest"], checkpoint_id)

    def _load(self, checkpoint_id: str) -> Manifest:
        manifest = load_manifest(self._backend, checkpoint_id)
        if manifest.deleted:
            raise CheckpointUnavailable(
                f"The payload of checkpoint {checkpoint_id} was deleted.", checkpoint_id=checkpoint_id
            )
        return manifest

    def _verified(self, key: str, offset: int, length: int, digest: str, checkpoint_id: str) -> bytes:
        try:
            data = self._backend.get(key, offset, length)
        except (KeyError, ValueError) as error:
            raise DamagedSnapshot(f"{key} is missing or cut short.", checkpoint_id=checkpoint_id, object=key) from error
        if digest_of(data) != digest:
            raise DamagedSnapshot(
                f"{key}: the {length} bytes at {offset} do not match their digest.",
                checkpoint_id=checkpoint_id,
                object=key,
            )
        return data


def load_manifest(backend: Backend, checkpoint_id: str) -> Manifest:
    """Read and verify one manifest. Raises CheckpointUnavailable when there is none."""
    try:
        data = backend.get(key_of(check_id(checkpoint_id), MANIFEST))
    except KeyError:
        raise CheckpointUnavailable(
            f"Checkpoint {checkpoint_id} is not in the store.",
            hint="It may still be on its way there; ask again in a moment.",
            checkpoint_id=checkpoint_id,
        ) from None
    return decode_manifest(data, checkpoint_id)
