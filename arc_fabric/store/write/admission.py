"""Whether and how a put is taken: its id, what it is expected to cost, room in the budget; then a WriteJob."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from arc_fabric.base.lru import Lru
from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.store.format.cutting import expected_new
from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.manifest import check_id
from arc_fabric.store.format.signature import Form
from arc_fabric.store.read.manifest_cache import ManifestCache
from arc_fabric.store.tiers import DeviceTier
from arc_fabric.store.tiers.transfer import mark
from arc_fabric.store.write.budget import ByteBudget
from arc_fabric.store.write.job import Attachment, WriteJob, seals_of_entries
from arc_fabric.store.write.writer import Writer

Policy = Literal["full", "light", "auto"]
_REMEMBERED = 10_000
"""Ids that are refused at once when they come again; older ones are when storage is asked."""


@dataclass(frozen=True)
class PutReceipt:
    """What a put is expected to cost, from shapes alone; the manifest has the exact figures once it is durable."""

    bytes_new: int
    bytes_total: int
    pieces_new: int


class Admission:
    """Makes WriteJobs of puts, and hands them to the writer in the order they came. Thread-safe."""

    def __init__(self, writer: Writer, manifests: ManifestCache, device: DeviceTier, budget: ByteBudget) -> None:
        self._writer = writer
        self._manifests = manifests
        self._device = device
        self._budget = budget
        self._ids: Lru[str, None] = Lru(_REMEMBERED, lambda _: 1)
        self._lock = threading.Lock()

    def take(
        self,
        checkpoint_id: str,
        entries: Sequence[TensorEntry],
        meta: Mapping[str, Any],
        *,
        parent_id: str | None,
        attachments: Mapping[str, Attachment],
        policy: Policy,
        timeout: float | None,
        new_id: bool,
    ) -> PutReceipt:
        """Waits while the budget is full. Raises InvalidRequest, Conflict, StoreUnavailable."""
        _check_entries(entries)
        clean_meta = json.loads(json.dumps(dict(meta), allow_nan=False))
        forms = self._forms(parent_id)
        expected = [0 if self._device.record_of(e.tensor) else expected_new(e, forms.get(e.name)) for e in entries]
        keep_kv = policy == "full" or (policy == "auto" and not self._budget.pressed)
        stored = [n for n, entry in zip(expected, entries, strict=True) if n and (keep_kv or not entry.rebuildable)]
        self._claim(checkpoint_id)
        try:
            self._writer.admit(sum(stored), timeout)
        except BaseException:
            self._ids.pop(checkpoint_id)
            raise
        self._writer.submit(
            WriteJob(
                checkpoint_id=checkpoint_id,
                parent_id=parent_id,
                entries=tuple(entries),
                meta=clean_meta,
                attachments=dict(attachments),
                keep_kv=keep_kv,
                reserved=sum(stored),
                seals=seals_of_entries(entries),
                after=mark(entry.tensor.device for entry in entries),
                new_id=new_id,
            )
        )
        return PutReceipt(sum(stored), sum(entry.nbytes for entry in entries), len(stored))

    def _forms(self, parent_id: str | None) -> dict[str, Form]:
        """The forms of the parent's growing tensors, as far as known without waiting."""
        if parent_id is None:
            return {}
        job = self._writer.pending(parent_id)
        entries = job.entries if job else ()
        if entries:
            return {entry.name: entry.form for entry in entries if entry.axis is not None}
        known = self._manifests.known(parent_id)
        records = known.tensors if known else {}
        return {name: Form.of(record) for name, record in records.items() if record.axis is not None}

    def _claim(self, checkpoint_id: str) -> None:
        with self._lock:
            again = self._writer.forgive(check_id(checkpoint_id))
            if (checkpoint_id in self._ids and not again) or self._manifests.known(checkpoint_id):
                raise Conflict(f"Checkpoint {checkpoint_id} exists already.", hint="Ids are never reused.")
            self._ids.add(checkpoint_id, None)


def _check_entries(entries: Iterable[TensorEntry]) -> None:
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise InvalidRequest("A snapshot names a tensor twice.", names=sorted({n for n in names if names.count(n) > 1}))
