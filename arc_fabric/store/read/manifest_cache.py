"""Manifests by checkpoint id: those just made, those read lately, and the way to the rest."""

from __future__ import annotations

import threading

from arc_fabric.base.lru import Lru
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import Manifest
from arc_fabric.store.read.reader import load_manifest

_BUDGET = 24 << 20
_OF_MANIFEST, _OF_TENSOR, _OF_PIECE = 4096, 384, 640
"""Bytes in memory, about, as measured: ids, digests and keys are strings."""


class ManifestCache:
    """A small cache in front of the stored manifests, which are immutable but for deletion. Thread-safe.

    It is bounded by bytes: thousands of manifests would be hundreds of megabytes, and millions of objects that every
    full pass of Python's garbage collection goes through.
    """

    def __init__(self, backend: Backend, budget: int = _BUDGET) -> None:
        self._backend = backend
        self._known: Lru[str, Manifest] = Lru(budget, _weight)
        self._dropped: set[str] = set()
        self._lock = threading.Lock()

    def add(self, manifest: Manifest) -> None:
        """Remember a manifest."""
        with self._lock:
            kept = manifest.without_kv_of(self._dropped) if self._dropped else manifest
            self._known.add(manifest.checkpoint_id, kept)

    def known(self, checkpoint_id: str) -> Manifest | None:
        """The manifest if it is at hand."""
        with self._lock:
            return self._known.get(checkpoint_id)

    def load(self, checkpoint_id: str, *, fresh: bool = False) -> Manifest:
        """The manifest from here or from storage. Raises CheckpointUnavailable, DamagedSnapshot, StoreUnavailable."""
        found = None if fresh else self.known(checkpoint_id)
        if found is None:
            found = load_manifest(self._backend, checkpoint_id)
            self.add(found)
            found = self.known(checkpoint_id) or found
        return found

    def drop_kv_of(self, checkpoint_id: str) -> None:
        """From now on no manifest claims that KV in this checkpoint's file is stored."""
        with self._lock:
            self._dropped.add(checkpoint_id)
            for name, manifest in self._known.items():
                self._known.put(name, manifest.without_kv_of({checkpoint_id}))

    def is_dropped(self, checkpoint_id: str) -> bool:
        """Whether `drop_kv_of` was called for it."""
        return checkpoint_id in self._dropped

    def forget(self, checkpoint_id: str) -> None:
        """Drop it from the cache."""
        with self._lock:
            self._known.pop(checkpoint_id)


def _weight(manifest: Manifest) -> int:
    pieces = sum(len(record.pieces) for record in manifest.tensors.values())
    return _OF_MANIFEST + _OF_TENSOR * len(manifest.tensors) + _OF_PIECE * pieces
