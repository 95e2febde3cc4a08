"""The snapshot store: a checkpoint costs what its step added.

    entry         TensorEntry: a named tensor and the axis it grows on
    manifest      the stored format, pure (no torch): pieces, tensors, manifests, file layout
    pieces        cutting, digests, zero test (torch)
    fingerprint   the hash computed on an accelerator
    backends/     memory, disk, S3
    tiers         device references, host memory, local disk
    admission     whether and how a put is taken
    writer        the pipeline device -> host -> storage
    reading       the restore planner and concurrent reads
    snapshots     SnapshotStore, what everyone holds
    reader        SnapshotReader, the read side without torch
    collector, check, bundle    gc, fsck, export / import

Names are loaded on first use, so that `arc_fabric.store.read.reader` can be imported without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arc_fabric.store.format.entry import TensorEntry
    from arc_fabric.store.read.reader import SnapshotReader
    from arc_fabric.store.snapshots import SnapshotStore
    from arc_fabric.store.write.admission import PutReceipt

__all__ = ["PutReceipt", "SnapshotReader", "SnapshotStore", "TensorEntry"]

_HOMES = {
    "PutReceipt": "admission",
    "SnapshotReader": "reader",
    "SnapshotStore": "snapshots",
    "TensorEntry": "entry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
