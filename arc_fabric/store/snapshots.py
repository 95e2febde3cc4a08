"""SnapshotStore: put a checkpoint, get it back, know where it is.

store = SnapshotStore(MemoryBackend())
store.put("ckp_b", [TensorEntry("kv_cache1/00", kv, axis=2, unit=880)], {"seed": 1}, parent_id="ckp_a")
# PutReceipt(bytes_new=..., bytes_total=..., pieces_new=...)
tensors, meta = store.get("ckp_b", "cuda:0")
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from arc_fabric.errors import (
    CheckpointUnavailable,
    DamagedSnapshot,
    DeadlineExceeded,
    InvalidRequest,
    UnknownFormat,
)
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.manifest import MANIFEST, Manifest, check_id, is_rebuildable, key_of
from arc_fabric.store.read.assemble import Restorer
from arc_fabric.store.read.loader import Loader, ReadCost, Restored, deleted
from arc_fabric.store.read.manifest_cache import ManifestCache
from arc_fabric.store.read.ranged import Fetcher
from arc_fabric.store.tiers import DeviceTier, DiskTier, HostTier
from arc_fabric.store.tiers.transfer import fix_device
from arc_fabric.store.upkeep.accounting import node_bytes
from arc_fabric.store.upkeep.drop_kv import drop_kv
from arc_fabric.store.write.admission import Admission, Policy, PutReceipt
from arc_fabric.store.write.budget import ByteBudget
from arc_fabric.store.write.gather import Gatherer
from arc_fabric.store.write.job import Attachment, written
from arc_fabric.store.write.writer import Writer

log = logging.getLogger(__name__)
Durability = Literal["pending", "durable", "absent"]


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
        on_durable: Callable[[str, int], None] = lambda checkpoint_id, bytes_stored: None,
        on_failed: Callable[[str, Exception], None] = lambda checkpoint_id, error: None,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_durable` (with the bytes of the checkpoint's objects) and `on_failed` are called in storing threads.
        `pace` is called in the gathering thread before every tensor: it may hold the thread up for a moment in which
        others need the interpreter more."""
        if policy not in ("full", "light", "auto"):
            raise InvalidRequest(f"Snapshot policy {policy!r} does not exist; use 'full', 'light' or 'auto'.")
        self.backend = backend or MemoryBackend()
        self.policy: Policy = policy
        self._budget = ByteBudget(upload_budget_bytes)
        self._manifests = ManifestCache(self.backend)
        self._device = DeviceTier(device_cache_bytes)
        self._disk = DiskTier(disk_cache_dir, disk_cache_bytes) if disk_cache_dir and disk_cache_bytes else None
        self._host = HostTier(host_cache_bytes, self._disk.spill if self._disk else None)
        self._fetcher = Fetcher(self.backend, self._disk)
        self._restorer = Restorer(self._fetcher, self._device, self._host)
        self._loader = Loader(
            self.backend,
            self._manifests,
            self._fetcher,
            self._restorer,
            self._device,
            manifest_of=self.manifest,
        )
        gatherer = Gatherer(self._manifests, self._host, self._device, pace)
        self._writer = Writer(
            self.backend,
            gatherer,
            self._manifests,
            self._host,
            self._budget,
            on_durable=on_durable,
            on_failed=on_failed,
        )
        self._admission = Admission(self._writer, self._manifests, self._device, self._budget)
        self._pins: dict[str, frozenset[str]] = {}
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
        new_id: bool = False,
    ) -> PutReceipt:
        """Take a checkpoint; returns at once unless more bytes are in flight than the budget allows.

        `new_id`: the id was made for this put and nobody else has it, so storage need not be asked for it first.
        Raises Conflict when the id is taken (one that could not be stored is free again), StoreUnavailable when the
        budget stays full for `timeout` seconds.
        """
        return self._admission.take(
            checkpoint_id,
            entries,
            meta,
            parent_id=parent_id,
            attachments=attachments or {},
            policy=policy or self.policy,
            timeout=timeout,
            new_id=new_id,
        )

    def get(self, checkpoint_id: str, device: torch.device | str = "cpu", *, kv: bool = True) -> Restored:
        """The checkpoint's tensors on `device`, and its meta.

        KV tensors (`kv_cache*`) are left out when `kv` is False, and when a light snapshot does not hold them.
        Raises CheckpointUnavailable, DamagedSnapshot or StoreUnavailable.
        """
        where = fix_device(device)
        job = self._writer.pending(check_id(checkpoint_id))
        entries = job.entries if job else ()
        if job and entries and not job.delete_requested:
            wanted = [entry for entry in entries if kv or not entry.rebuildable]
            if names := written(entries, job.seals):
                raise DamagedSnapshot(
                    f"{', '.join(names)} of {checkpoint_id} changed in place before it was stored.",
                    checkpoint_id=checkpoint_id,
                )
            return {entry.name: entry.tensor.to(where) for entry in wanted}, dict(job.meta)
        return self._loader.load(checkpoint_id, where, kv=kv)

    def manifest(self, checkpoint_id: str) -> Manifest:
        """What the checkpoint consists of (waits a moment when it is still being copied off the device)."""
        job = self._writer.pending(check_id(checkpoint_id))
        if job:
            job.gathered.wait()
        if job and job.delete_requested:
            raise deleted(checkpoint_id)
        found = job.manifest if job and job.manifest and not job.error else self._manifests.load(checkpoint_id)
        if found.deleted:
            raise deleted(checkpoint_id)
        return found

    def durability(self, checkpoint_id: str) -> Durability:
        """pending: on its way; durable: survives this process; absent: unknown, failed or deleted."""
        if self._writer.pending(check_id(checkpoint_id)):
            return "pending"
        try:
            return "absent" if self._manifests.load(checkpoint_id).deleted else "durable"
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
        """Drop a checkpoint's payload, also a damaged one. Pieces that others refer to stay; the collector frees the
        rest. Raises CheckpointUnavailable when there is none."""
        job = self._writer.pending(check_id(checkpoint_id))
        if job:
            job.delete_requested = True
            job.done.wait()
        try:
            manifest = self._manifests.load(checkpoint_id, fresh=True)
        except (DamagedSnapshot, UnknownFormat):
            manifest = Manifest(checkpoint_id, None, time.time(), {}, {})
        if not manifest.deleted:
            self.backend.put(key_of(checkpoint_id, MANIFEST), manifest.tombstone().encode())
            for name in manifest.attachments:
                self.backend.delete(key_of(checkpoint_id, name))
        self._manifests.forget(checkpoint_id)

    def drop_kv(self, checkpoint_id: str) -> int:
        """Make a durable checkpoint light: its own KV pieces leave storage. Returns the bytes freed.

        It and its descendants stay restorable by a model that rebuilds KV from latents.
        """
        self.wait_durable(checkpoint_id)
        manifest, freed = drop_kv(self.backend, checkpoint_id)
        self._loader.note_dropped(checkpoint_id)
        self._manifests.add(manifest)
        return freed

    def doubt_kv(self, damage: DamagedSnapshot) -> bool:
        """Take damaged KV for dropped from now on in this process, so that it is rebuilt, and stored anew by the next
        full checkpoint below. False when the damage is to something else, which nothing can make again."""
        if not is_rebuildable(str(damage.context.get("piece", ""))):
            return False
        self._loader.note_damaged(str(damage.context["checkpoint_id"]))
        return True

    def pin(self, checkpoint_id: str) -> None:
        """Bring a checkpoint's pieces into host memory and keep them there until `unpin`.

        A pin that fails (CheckpointUnavailable, DamagedSnapshot, StoreUnavailable) leaves nothing pinned.
        """
        pieces = [piece for piece in self.manifest(checkpoint_id).pieces() if not piece.zero]
        digests = frozenset(piece.digest for piece in pieces)
        with self._lock:
            if checkpoint_id in self._pins:
                return
            self._pins[checkpoint_id] = digests
            self._host.pin(digests)
        try:
            self._loader.warm(checkpoint_id)
        except BaseException:
            self.unpin(checkpoint_id)
            raise

    def unpin(self, checkpoint_id: str) -> None:
        """Undo `pin`; no error when it is not pinned."""
        with self._lock:
            self._host.unpin(self._pins.pop(checkpoint_id, ()))

    def pinned(self) -> set[str]:
        """The checkpoints that `pin` keeps."""
        with self._lock:
            return set(self._pins)

    def evict(self, checkpoint_id: str) -> None:
        """Drop the pieces that this checkpoint added from host memory, unless pinned; the tiers below keep them."""
        self._host.evict(piece.digest for _, piece in self.manifest(checkpoint_id).own_parts())

    def status(self) -> dict[str, Any]:
        """Whether storage answers (`state`: "ok" or "storage_down", `since`, `error`), and what is in flight."""
        return self._writer.status()

    def usage(self) -> dict[str, dict[str, Any]]:
        """Bytes, budget and counters by tier: device, host, disk, upload, read."""
        tiers: dict[str, dict[str, Any]] = {
            "device": self._device.usage(),
            "host": self._host.usage() | {"pinned_checkpoints": len(self._pins)},
            "upload": self._budget.state(),
            "read": dict(self._restorer.counters + self._fetcher.counters),
        }
        return tiers | ({"disk": self._disk.usage()} if self._disk else {})

    def node_bytes(self, checkpoint_ids: Iterable[str]) -> dict[str, Any]:
        """Total, new, unique and shared bytes per checkpoint, and over all (see accounting.node_bytes)."""
        return node_bytes([self.manifest(checkpoint_id) for checkpoint_id in checkpoint_ids])

    def read_cost(self, checkpoint_id: str, device: torch.device | str = "cpu") -> ReadCost:
        """What bringing this checkpoint's KV to `device` now would take: the figure to hold against a rebuild."""
        return self._loader.read_cost(checkpoint_id, fix_device(device))

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
        self._fetcher.close()
        if self._disk:
            self._disk.close()
