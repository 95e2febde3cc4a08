"""First half of the pipeline: device -> host. Finds what is new, copies it off, digests it, makes the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from arc_fabric.errors import ArcFabricError, StoreError
from arc_fabric.store.format.cutting import Stretch, stretches
from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.fingerprint import fingerprint
from arc_fabric.store.format.manifest import Piece, TensorRecord, digest_of, is_rebuildable
from arc_fabric.store.format.pieces import dtype_name, on_accelerator
from arc_fabric.store.read.manifest_cache import ManifestCache
from arc_fabric.store.tiers import DeviceTier, HostTier
from arc_fabric.store.tiers.transfer import copied, side_stream
from arc_fabric.store.write.job import WriteJob, written
from arc_fabric.store.write.layout import lay_out

_WHOLE = 1


class Gatherer:
    """Turns the tensors of a WriteJob into pieces in host memory and a manifest."""

    def __init__(self, manifests: ManifestCache, host: HostTier, device: DeviceTier, pace: Callable[[], None]) -> None:
        self._manifests = manifests
        self._host = host
        self._device = device
        self._pace = pace

    def gather(self, job: WriteJob) -> None:
        """Fill `job.manifest`, `job.header` and `job.buffers`, pinned in host memory then, and let go of the tensors.
        After an error there are no buffers, and nothing is pinned."""
        parent = self._parent_tensors(job)
        try:
            with side_stream({entry.tensor.device for entry in job.entries}, job.after), torch.no_grad():
                records = {entry.name: self._record(entry, parent.get(entry.name), job) for entry in job.entries}
                _check_unchanged(job)
            job.manifest = lay_out(job, records)
        except BaseException:
            job.buffers = {}
            raise
        self._host.pin(job.buffers)
        for digest, buffer in job.buffers.items():
            self._host.put(digest, buffer)
        for entry in job.entries:
            self._device.remember(entry.tensor, job.manifest.tensors[entry.name])
        job.entries = ()

    def distrust(self, checkpoint_id: str) -> None:
        """Share nothing more with a checkpoint that could not be stored."""
        self._device.distrust(checkpoint_id)

    def _parent_tensors(self, job: WriteJob) -> dict[str, TensorRecord]:
        """The parent's tensors, or nothing to share with when they cannot be had now."""
        if job.parent_id is None:
            return {}
        try:
            return dict(self._manifests.load(job.parent_id).tensors)
        except ArcFabricError:
            return {}

    def _record(self, entry: TensorEntry, parent: TensorRecord | None, job: WriteJob) -> TensorRecord:
        """The tensor as pieces; new ones have a `key` when they are to be stored, and no `checkpoint` yet."""
        self._pace()
        want_bytes = job.keep_kv or not entry.rebuildable
        seen = self._device.record_of(entry.tensor)
        alike = seen is not None and seen.axis == entry.axis and is_rebuildable(seen.name) == entry.rebuildable
        if seen is not None and alike and (seen.loadable or not want_bytes):
            return replace(seen, name=entry.name, unit=entry.unit)
        cuts = list(stretches(entry, parent, want_bytes=want_bytes))
        pieces = tuple(cut.piece or self._new_piece(cut, want_bytes, job) for cut in cuts)
        shape = tuple(entry.tensor.shape)
        return TensorRecord(entry.name, dtype_name(entry.tensor), shape, entry.axis, entry.unit, pieces)

    def _new_piece(self, cut: Stretch, want_bytes: bool, job: WriteJob) -> Piece:
        view = cut.view
        buffer = copied(view)
        length = view.numel() * view.element_size()
        extent = _WHOLE if cut.entry.axis is None else cut.extent
        if buffer is None:
            return Piece(extent, length, "")
        mark = fingerprint(view) if on_accelerator(view) else ""
        digest = digest_of(buffer.numpy().data)
        if want_bytes:
            job.buffers[digest] = buffer
        else:
            self._host.put(digest, buffer)
        return Piece(extent, length, digest, key=cut.key if want_bytes else "", fingerprint=mark)


def _check_unchanged(job: WriteJob) -> None:
    if names := written(job.entries, job.seals):
        raise StoreError(
            f"{', '.join(names)} of {job.checkpoint_id} changed in place before they were copied off.",
            hint="Replace tensors given to put(), never write into them.",
        )
