"""Restoring by id: which tensors can be had, KV whole or not at all, and what another process did meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, UnknownFormat
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import Manifest, TensorRecord, is_rebuildable
from arc_fabric.store.read.assemble import EvictedMeanwhile, Restorer
from arc_fabric.store.read.manifest_cache import ManifestCache
from arc_fabric.store.read.ranged import Fetcher
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.tiers import DeviceTier

log = logging.getLogger(__name__)
Restored = tuple[dict[str, torch.Tensor], dict[str, Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class ReadCost:
    """What reading a checkpoint's KV takes."""

    available: bool
    """False: some of it is stored nowhere and must be rebuilt."""
    storage_bytes: int
    """Bytes that are neither alive on the device nor in host memory."""
    seconds: float
    """For these, at the rate measured lately."""


class Loader:
    """Restores checkpoints. `manifest_of` gives the manifest of an id, stored or on its way. Thread-safe."""

    def __init__(
        self,
        backend: Backend,
        manifests: ManifestCache,
        fetcher: Fetcher,
        restorer: Restorer,
        device: DeviceTier,
        *,
        manifest_of: Callable[[str], Manifest],
    ) -> None:
        self._backend = backend
        self._manifests = manifests
        self._fetcher = fetcher
        self._restorer = restorer
        self._device = device
        self._manifest_of = manifest_of

    def load(self, checkpoint_id: str, device: torch.device, *, kv: bool) -> Restored:
        """All tensors on `device`, with all of the KV or none of it, and the meta."""

        def load() -> Restored:
            manifest = self._manifest_of(checkpoint_id)
            rest = [r for r in manifest.tensors.values() if not is_rebuildable(r.name)]
            caches = _caches(manifest) if kv else []
            if caches and all(self._restorer.available(record, device) for record in caches):
                with suppress(EvictedMeanwhile):
                    return self._restorer.tensors([*rest, *caches], device), dict(manifest.meta)
            return self._restorer.tensors(rest, device), dict(manifest.meta)

        return self._as_stored_now(checkpoint_id, load)

    def warm(self, checkpoint_id: str) -> None:
        """Bring its pieces into host memory."""
        self._as_stored_now(checkpoint_id, lambda: self._restorer.warm(self._manifest_of(checkpoint_id).pieces()))

    def read_cost(self, checkpoint_id: str, device: torch.device) -> ReadCost:
        """What bringing its KV to `device` would take now."""
        caches = _caches(self._manifest_of(checkpoint_id))
        if not all(self._restorer.available(record, device) for record in caches):
            return ReadCost(False, 0, 0.0)
        size = sum(self._restorer.storage_bytes(record, device) for record in caches)
        return ReadCost(True, size, size * self._fetcher.seconds_per_byte)

    def note_dropped(self, checkpoint_id: str) -> None:
        """The KV in this checkpoint's file is gone: believe no reference to it any more."""
        self._manifests.drop_kv_of(checkpoint_id)
        self._device.distrust(checkpoint_id)

    def note_damaged(self, checkpoint_id: str) -> None:
        """The KV in this checkpoint's file is damaged: the same, and counted."""
        self._restorer.counters["damaged_kv_files"] += 1
        self.note_dropped(checkpoint_id)

    def _as_stored_now(self, checkpoint_id: str, read: Callable[[], T]) -> T:
        """Read; when a piece is missing because another process deleted something or dropped its KV, act on that."""
        while True:
            try:
                return read()
            except DamagedSnapshot as error:
                if self._manifests.load(checkpoint_id, fresh=True).deleted:
                    raise deleted(checkpoint_id) from error
                owner = str(error.context.get("checkpoint_id", ""))
                if not is_rebuildable(str(error.context.get("piece", ""))) or not self._dropped_elsewhere(owner):
                    raise
                log.info("the KV of checkpoint %s was dropped by another process", owner)
                self.note_dropped(owner)
                self._look_at_others(checkpoint_id)

    def _look_at_others(self, checkpoint_id: str) -> None:
        """Where one file lost its KV, others of the window may have, too: no checkpoint below shall refer to it."""
        caches = _caches(self._manifest_of(checkpoint_id))
        for owner in {piece.checkpoint for record in caches for piece in record.pieces if piece.checkpoint}:
            if self._dropped_elsewhere(owner):
                self.note_dropped(owner)

    def _dropped_elsewhere(self, owner: str) -> bool:
        try:
            return not self._manifests.is_dropped(owner) and load_manifest(self._backend, owner).kv_dropped
        except (CheckpointUnavailable, DamagedSnapshot, UnknownFormat):
            return False


def deleted(checkpoint_id: str) -> CheckpointUnavailable:
    """The error for a payload that its owner dropped."""
    return CheckpointUnavailable(f"The payload of checkpoint {checkpoint_id} was deleted.", checkpoint_id=checkpoint_id)


def _caches(manifest: Manifest) -> list[TensorRecord]:
    return [record for record in manifest.tensors.values() if is_rebuildable(record.name)]
