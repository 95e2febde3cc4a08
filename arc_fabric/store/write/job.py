"""One checkpoint on its way to storage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.manifest import Manifest
from arc_fabric.store.format.seal import checksums_of, seals_of

Attachment = bytes | Callable[[], bytes]
State = Literal["queued", "gathered", "durable", "failed"]


@dataclass(eq=False)
class WriteJob:
    """What `put` was given, and how far it has come. Fields are written by one pipeline thread at a time."""

    checkpoint_id: str
    parent_id: str | None
    entries: Sequence[TensorEntry]
    """References to the model's tensors until they are gathered; then empty."""
    meta: Mapping[str, Any]
    attachments: Mapping[str, Attachment]
    keep_kv: bool
    reserved: int
    """Bytes taken from the budget."""
    seals: tuple[int, ...]
    """What each tensor was when it was put; one that is written before it is copied off fails the job."""
    after: list[torch.cuda.Event]
    new_id: bool = False
    """Nothing can be stored under the id yet; false once an upload was tried."""
    created: float = field(default_factory=time.time)
    state: State = "queued"
    manifest: Manifest | None = None
    header: bytes = b""
    buffers: dict[str, torch.Tensor] = field(default_factory=dict)
    """digest -> host buffer of the pieces in this checkpoint's own file, in file order; pinned until durable."""
    bytes_stored: int = 0
    """Of all its objects, known once it is durable."""
    error: Exception | None = None
    delete_requested: bool = False
    gathered: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


def written(entries: Sequence[TensorEntry], seals: Sequence[int]) -> list[str]:
    """The names of those that were written in place since they were put with these seals."""
    now = zip(entries, seals_of_entries(entries, again=True), seals, strict=True)
    return [entry.name for entry, seal, before in now if seal != before]


def seals_of_entries(entries: Sequence[TensorEntry], *, again: bool = False) -> tuple[int, ...]:
    """What each tensor is: the checksum with which it came (`again`: taken anew), else its seal."""
    came = [entry.tensor for entry in entries if entry.checksum is not None]
    sums = iter(checksums_of(came) if again else [entry.checksum for entry in entries if entry.checksum is not None])
    seals = iter(seals_of(entry.tensor for entry in entries if entry.checksum is None))
    return tuple(next(seals if entry.checksum is None else sums) for entry in entries)
