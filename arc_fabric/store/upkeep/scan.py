"""One look at everything that is stored: the common ground of collector, check and export."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, StoreError, UnknownFormat
from arc_fabric.store.backends.base import Backend, ObjectInfo
from arc_fabric.store.format.manifest import MANIFEST, ROOT, TENSORS, Manifest, key_of
from arc_fabric.store.read.reader import load_manifest

_THREADS = 8


@dataclass
class Scan:
    """A listing and the manifests it named. Manifests that vanished since are left out."""

    objects: dict[str, dict[str, ObjectInfo]]
    """checkpoint id -> object name -> info."""
    manifests: dict[str, Manifest]
    unreadable: dict[str, StoreError]
    """Manifests that are damaged or of an unknown format."""
    begun: float = field(default_factory=time.monotonic)

    def referenced(self) -> dict[str, set[str]]:
        """checkpoint id -> the live checkpoints that need its tensors file."""
        users: dict[str, set[str]] = defaultdict(set)
        for manifest in self.manifests.values():
            for needed in manifest.references():
                users[needed].add(manifest.checkpoint_id)
        return dict(users)

    def tensors_file(self, checkpoint_id: str) -> ObjectInfo | None:
        """The listing's entry of a checkpoint's tensors file."""
        return self.objects.get(checkpoint_id, {}).get(TENSORS)


def scan(backend: Backend) -> Scan:
    """List, then read every manifest. Raises StoreUnavailable."""
    begun = time.monotonic()
    objects: dict[str, dict[str, ObjectInfo]] = defaultdict(dict)
    for info in backend.list(ROOT):
        checkpoint_id, _, name = info.key.removeprefix(ROOT).partition("/")
        objects[checkpoint_id][name] = info
    named = [checkpoint_id for checkpoint_id, members in objects.items() if MANIFEST in members]
    manifests, unreadable = _load(backend, named)
    return Scan(dict(objects), manifests, unreadable, begun)


def _load(backend: Backend, ids: Iterable[str]) -> tuple[dict[str, Manifest], dict[str, StoreError]]:
    def load(checkpoint_id: str) -> Manifest | StoreError | None:
        try:
            return load_manifest(backend, checkpoint_id)
        except CheckpointUnavailable:
            return None  # deleted since the listing
        except (DamagedSnapshot, UnknownFormat) as error:
            return error

    ids = list(ids)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-store-scan") as pool:
        found = dict(zip(ids, pool.map(load, ids), strict=True))
    manifests = {i: item for i, item in found.items() if isinstance(item, Manifest)}
    return manifests, {i: item for i, item in found.items() if isinstance(item, StoreError)}


def tensors_key(checkpoint_id: str) -> str:
    """Key of a checkpoint's tensors file."""
    return key_of(checkpoint_id, TENSORS)
