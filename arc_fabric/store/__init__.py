"""The snapshot store: a checkpoint costs what its step added.

    snapshots   SnapshotStore, what everyone holds
    format/     what is stored: entries, signatures, pieces, fingerprints, manifests (pure, no torch)
    write/      the pipeline device -> host -> storage, under a byte budget
    read/       the restore planner and concurrent reads; `reader` is the side without torch
    tiers/      device references, host memory, local disk
    backends/   memory, disk, S3
    upkeep/     collector, check, repair, thinning, bundles

Names are loaded on first use, so that `arc_fabric.store.read.reader` can be imported without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from arc_fabric.extras import extra

if TYPE_CHECKING:
    from arc_fabric.store.format.entry import TensorEntry
    from arc_fabric.store.read.reader import SnapshotReader
    from arc_fabric.store.snapshots import SnapshotStore
    from arc_fabric.store.write.admission import PutReceipt

__all__ = ["PutReceipt", "SnapshotReader", "SnapshotStore", "TensorEntry"]

_HOMES = {
    "PutReceipt": "write.admission",
    "SnapshotReader": "read.reader",
    "SnapshotStore": "snapshots",
    "TensorEntry": "format.entry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extra("sdk"):
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
