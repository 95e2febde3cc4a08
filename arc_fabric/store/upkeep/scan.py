"""One look at everything that is stored, checkpoint by checkpoint: the common ground of collector, budget and check.

What is held in memory does not grow with the number of checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, InvalidRequest, StoreError, UnknownFormat
from arc_fabric.store.backends.base import Backend, ObjectInfo
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.format.manifest import MANIFEST, ROOT, TENSORS, Manifest, check_id
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep.facts import Facts, facts_of
from arc_fabric.store.upkeep.index import Index

_THREADS = 8
_BATCH = 256
"""Checkpoints whose manifests are read at once."""
Objects = Mapping[str, ObjectInfo]


@dataclass(frozen=True, slots=True)
class Stored:
    """One checkpoint as it is stored. A manifest that has vanished since the listing gives neither facts nor error."""

    id: str
    objects: Objects
    """By name, such as `manifest.json`."""
    facts: Facts | None
    error: StoreError | None = None
    """Why its manifest cannot be read: damaged, or of an unknown format."""

    @property
    def living(self) -> bool:
        """It has a manifest, and its payload was not deleted."""
        return self.facts is not None and not self.facts.deleted

    @property
    def size(self) -> int:
        """Bytes of its objects."""
        return sum(info.size for info in self.objects.values())

    def size_of(self, *names: str) -> int:
        """Bytes of some of its objects; those that are not there count nothing."""
        return sum(self.objects[name].size for name in names if name in self.objects)

    @property
    def left_behind(self) -> int:
        """Bytes that taking out its KV, cut off in between, left in its file."""
        if self.facts is None or self.facts.deleted or not self.facts.kv_dropped:
            return 0
        return max(0, self.size_of(TENSORS) - self.facts.length)


def scan(backend: Backend, index: Index | None = None) -> Iterator[Stored]:
    """Everything below `checkpoints/`, in the order of the listing, which begins before this yields anything.

    Manifests that the index remembers are not read; what this pass reads it remembers, once all is yielded. Raises
    StoreUnavailable.
    """
    remembered = (index or Index(backend)).begin(storage_time(backend))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-store-scan") as pool:
        checkpoints = listed(backend)
        while batch := list(islice(checkpoints, _BATCH)):
            known = {i: remembered.recall(i, objects[MANIFEST]) for i, objects in batch if MANIFEST in objects}
            absent = [i for i, facts in known.items() if facts is None]
            read = dict(zip(absent, pool.map(lambda i: _facts(backend, i), absent), strict=True))
            for checkpoint_id, objects in batch:
                found = known.get(checkpoint_id) or read.get(checkpoint_id)
                if isinstance(found, Facts):
                    remembered.note(checkpoint_id, objects[MANIFEST], found)
                    yield Stored(checkpoint_id, objects, found)
                else:
                    yield Stored(checkpoint_id, objects, None, found)
    remembered.finish()


def listed(backend: Backend) -> Iterator[tuple[str, Objects]]:
    """Checkpoint ids and their objects. What cannot be a checkpoint's is left out: nothing of ours put it there."""
    infos = (info for info in backend.list(ROOT) if info.key.count("/") > 1)
    for checkpoint_id, members in groupby(infos, lambda info: info.key.split("/", 2)[1]):
        try:
            check_id(checkpoint_id)
        except InvalidRequest:
            continue
        yield checkpoint_id, {info.key.split("/", 2)[2]: info for info in members}


def read_manifest(backend: Backend, checkpoint_id: str) -> Manifest | StoreError | None:
    """The manifest, why it cannot be read, or None where it was deleted since the listing."""
    try:
        return load_manifest(backend, checkpoint_id)
    except CheckpointUnavailable:
        return None
    except (DamagedSnapshot, UnknownFormat) as error:
        return error


def manifests(backend: Backend, ids: Iterable[str]) -> Iterator[tuple[str, Manifest | StoreError | None]]:
    """Many of them, in order."""
    ids = list(ids)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-store-scan") as pool:
        yield from zip(ids, pool.map(lambda i: read_manifest(backend, i), ids), strict=True)


def _facts(backend: Backend, checkpoint_id: str) -> Facts | StoreError | None:
    found = read_manifest(backend, checkpoint_id)
    return facts_of(found) if isinstance(found, Manifest) else found
