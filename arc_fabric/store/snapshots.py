"""SnapshotStore: put a checkpoint, get it back, know where it is.

>>> store = SnapshotStore(MemoryBackend())
>>> store.put("ckp_b", [TensorEntry("kv_cache1/00", kv, axis=2, unit=880)], {"seed": 1}, parent_id="ckp_a")
PutReceipt(bytes_new=..., bytes_total=..., pieces_new=...)
>>> tensors, meta = store.get("ckp_b", "cuda:0")
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from arc_fabric.errors import CheckpointUnavailable, Conflict, DeadlineExceeded, InvalidRequest
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.budget import ByteBudget
from arc_fabric.store.catalog import Catalog
from arc_fabric.store.cutting import expected_new
from arc_fabric.store.entry import TensorEntry
from arc_fabric.store.gather import Gatherer
from arc_fabric.store.job import Attachment, WriteJob
from arc_fabric.store.manifest import MANIFEST, Manifest, check_id, key_of
from arc_fabric.store.reading import Restorer
from arc_fabric.store.tiers import DeviceTier, DiskTier, HostTier, version_of
from arc_fabric.store.transfer import fix_device, mark
from arc_fabric.store.writer import Writer

log = logging.getLogger(__name__)
Policy = Literal["full", "light", "auto"]
Durability = Literal["pending", "durable", "absent"]


@dataclass(frozen=True)
class PutReceipt:
    """What a put is expected to cost, from shapes alone; the manifest has the exact figures once it is durable."""

    bytes_new: int
    bytes_total: int
    pieces_new: int


class SnapshotStore:
    """Snapshots as views of shared pieces. All methods are safe to call from many threads.

    `put` keeps references to the tensors until they are copied off in the background: they may be replaced, never
    written in place. Tensors from `get` may be shared with other callers: treat them the same way.
    """

    def __init__(
        self,
        backend: Backend | None = None,
        *,
        host_cache_bytes: int = 4 << 30,
        disk_cache_bytes: int = 0,
        disk_cache_dir: Path | None = None,
        device_cache_bytes: int = 0,
        upload_budget_bytes: int = 2 << 30,
        policy: Policy = "auto",
        on_durable: Callable[[str], None] = lambda checkpoint_id: None,
        on_failed: Callable[[str, Exception], None] = lambda checkpoint_id, error: None,
    ) -> None:
        if policy not in ("full", "light", "auto"):
            raise InvalidRequest(f"Snapshot policy {policy!r} does not exist; use 'full', 'light' or 'auto'.")
        self.backend = backend or MemoryBackend()
        self.policy: Policy = policy
        self._budget = ByteBudget(upload_budget_bytes)
        self._catalog = Catalog(self.backend)
        self._device = DeviceTier(device_cache_bytes)
        self._disk = DiskTier(disk_cache_dir, disk_cache_bytes) if disk_cache_dir and disk_cache_bytes else None
        self._host = HostTier(host_cache_bytes)
        self._restorer = Restorer(self.backend, self._device, self._host, self._disk)
        gatherer = Gatherer(self._catalog, self._host, self._device)
        self._writer = Writer(
            self.backend, gatherer, self._catalog, self._host, self._budget, on_durable=on_durable, on_failed=on_failed
        )
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def put(
        self,
        checkpoint_id: str,
        entries: Sequence[TensorEntry],
        meta: Mapping[str, Any],
        *,
        parent_id: str | None = None,
        attachments: Mapping[str, Attachment] | None = None,
        policy: Policy | None = None,
        timeout: float | None = None,
    ) -> PutReceipt:
        """Take a checkpoint; returns at once unless more bytes are in flight than the budget allows.

        Raises Conflict when the id is taken, StoreUnavailable when the budget stays full for `timeout` seconds.
        """
        _check_entries(entries)
        clean_meta = json.loads(json.dumps(dict(meta), allow_nan=False))
        parent = self._catalog.known(parent_id) if parent_id else None
        expected = [expected_new(entry, parent.tensors.get(entry.name) if parent else None) for entry in entries]
        keep_kv = self._keeps_kv(policy or self.policy)
        reserved = sum(n for n, entry in zip(expected, entries, strict=True) if keep_kv or not entry.rebuildable)
        self._claim(checkpoint_id)
        try:
            self._budget.acquire(reserved, timeout=timeout, why=self._writer.why_waiting)
        except BaseException:
            self._ids.discard(checkpoint_id)
            raise
        self._writer.submit(
            WriteJob(
                checkpoint_id=checkpoint_id,
                parent_id=parent_id,
                entries=tuple(entries),
                meta=clean_meta,
                attachments=dict(attachments or {}),
                keep_kv=keep_kv,
                reserved=reserved,
                versions=tuple(version_of(entry.tensor) for entry in entries),
                after=mark(entry.tensor.device for entry in entries),
            )
        )
        return PutReceipt(reserved, sum(entry.nbytes for entry in entries), sum(1 for n in expected if n))

    def get(
        self, checkpoint_id: str, device: torch.device | str = "cpu", *, kv: bool = True
    ) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The checkpoint's tensors on `device`, and its meta.

        KV tensors (`kv_cache*`) are left out when `kv` is False, and when a light snapshot does not hold them.
        Raises CheckpointUnavailable, DamagedSnapshot or StoreUnavailable.
        """
        where = fix_device(device)
        job = self._writer.pending(check_id(checkpoint_id))
        entries = job.entries if job else ()
        if job and entries and not job.delete_requested:
            wanted = [entry for entry in entries if kv or not entry.rebuildable]
            return {entry.name: entry.tensor.to(where) for entry in wanted}, dict(job.meta)
        manifest = self.manifest(checkpoint_id)
        records = [r for r in manifest.tensors.values() if r.loadable and (kv or not r.name.startswith("kv_cache"))]
        return self._restorer.tensors(records, where), dict(manifest.meta)

    def manifest(self, checkpoint_id: str) -> Manifest:
        """What the checkpoint consists of (waits a moment when it is still being copied off the device)."""
        job = self._writer.pending(check_id(checkpoint_id))
        if job:
            job.gathered.wait()
        if job and job.delete_requested:
            raise _deleted(checkpoint_id)
        found = job.manifest if job and job.manifest and not job.error else self._catalog.load(checkpoint_id)
        if found.deleted:
            raise _deleted(checkpoint_id)
        return found

    def durability(self, checkpoint_id: str) -> Durability:
        """pending: on its way; durable: survives this process; absent: unknown, failed or deleted."""
        if self._writer.pending(check_id(checkpoint_id)):
            return "pending"
        try:
            return "absent" if self._catalog.load(checkpoint_id).deleted else "durable"
        except CheckpointUnavailable:
            return "absent"

    def wait_durable(self, checkpoint_id: str, timeout: float | None = None) -> None:
        """Return once the checkpoint is durable. Raises DeadlineExceeded, or what made storing it fail."""
        job = self._writer.pending(check_id(checkpoint_id))
        if job and not job.done.wait(timeout):
            raise DeadlineExceeded(
                f"Checkpoint {checkpoint_id} is not stored after {timeout} s: {self._writer.why_waiting()}",
                checkpoint_id=checkpoint_id,
            )
        failure = self._writer.failure(checkpoint_id)
        if failure:
            raise failure
        if self.durability(checkpoint_id) == "absent":
            raise CheckpointUnavailable(f"Checkpoint {checkpoint_id} is not in the store.", checkpoint_id=checkpoint_id)

    def delete_payload(self, checkpoint_id: str) -> None:
        """Drop a checkpoint's payload. Pieces that others refer to stay; the collector frees the rest."""
        job = self._writer.pending(check_id(checkpoint_id))
        if job:
            job.delete_requested = True
            job.done.wait()
        manifest = self._catalog.load(checkpoint_id, fresh=True)
        if not manifest.deleted:
            self.backend.put(key_of(checkpoint_id, MANIFEST), manifest.tombstone().encode())
            for name in manifest.attachments:
                self.backend.delete(key_of(checkpoint_id, name))
        self._catalog.forget(checkpoint_id)

    def status(self) -> dict[str, Any]:
        """Whether storage answers, and what is in flight."""
        return self._writer.status()

    def usage(self) -> dict[str, dict[str, Any]]:
        """Bytes, budget and counters by tier: device, host, disk, upload, read."""
        tiers = {
            "device": self._device.usage(),
            "host": self._host.usage(),
            "upload": self._budget.state(),
            "read": dict(self._restorer.counters),
        }
        return tiers | ({"disk": self._disk.usage()} if self._disk else {})

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything put so far is durable. Raises DeadlineExceeded."""
        if not self._writer.wait_idle(timeout):
            raise DeadlineExceeded(f"Uploads are not done after {timeout} s: {self._writer.why_waiting()}")

    def close(self, timeout: float | None = 30.0) -> None:
        """Flush as far as `timeout` allows, then stop the threads."""
        if not self._writer.wait_idle(timeout):
            log.warning("closing with checkpoints not stored: %s", self._writer.why_waiting())
        self._writer.close()
        self._restorer.close()

    def _keeps_kv(self, policy: Policy) -> bool:
        return policy == "full" or (policy == "auto" and not self._budget.pressed)

    def _claim(self, checkpoint_id: str) -> None:
        with self._lock:
            if check_id(checkpoint_id) in self._ids or self._catalog.known(checkpoint_id):
                raise Conflict(f"Checkpoint {checkpoint_id} exists already.", hint="Ids are never reused.")
            self._ids.add(checkpoint_id)


def _check_entries(entries: Iterable[TensorEntry]) -> None:
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise InvalidRequest("A snapshot names a tensor twice.", names=sorted({n for n in names if names.count(n) > 1}))


def _deleted(checkpoint_id: str) -> CheckpointUnavailable:
    return CheckpointUnavailable(f"The payload of checkpoint {checkpoint_id} was deleted.", checkpoint_id=checkpoint_id)
