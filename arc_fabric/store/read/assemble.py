"""Restore: assembles tensors from living tensors, host memory, disk and object storage."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from arc_fabric.base.threads import told
from arc_fabric.store.format.manifest import Piece, TensorRecord, digest_of
from arc_fabric.store.format.pieces import DTYPES, byte_view, cut
from arc_fabric.store.read.ranged import Fetcher, Slot
from arc_fabric.store.tiers import DeviceTier, HostTier
from arc_fabric.store.tiers.transfer import as_piece, host_buffer

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Gap:
    """A piece of a tensor under construction that must be brought in."""

    record: TensorRecord
    piece: Piece
    target: torch.Tensor


class EvictedMeanwhile(Exception):
    """A piece that only host memory held was evicted between the decision to use it and its use."""


class Restorer:
    """Makes tensors of records. Thread-safe. Moves only what is not alive on the device already."""

    def __init__(self, fetcher: Fetcher, device: DeviceTier, host: HostTier) -> None:
        self.counters: Counter[str] = Counter()
        self._fetcher = fetcher
        self._device = device
        self._host = host
        self._filler = ThreadPoolExecutor(1, thread_name_prefix="arc-store-fill")
        self._filling = 0
        self._lock = threading.Lock()

    def tensors(self, records: Sequence[TensorRecord], device: torch.device) -> dict[str, torch.Tensor]:
        """Every record as a tensor on `device`. A tensor that is alive there comes back itself, not copied.

        Raises EvictedMeanwhile, DamagedSnapshot, StoreUnavailable.
        """
        made: dict[str, torch.Tensor] = {}
        gaps: list[_Gap] = []
        for record in records:
            made[record.name] = self._begin(record, device, gaps)
        self._fill(gaps, device)
        for record in records:
            self._device.remember(made[record.name], record)
        return made

    def available(self, record: TensorRecord, device: torch.device) -> bool:
        """Whether the tensor can be had: pieces that are not stored must be alive or in host memory."""
        return all(piece.stored or self._host.has(piece.digest) for piece in self._not_alive(record, device))

    def storage_bytes(self, record: TensorRecord, device: torch.device) -> int:
        """Bytes that would be read from disk or object storage."""
        missing = (p for p in self._not_alive(record, device) if not p.zero and not self._host.has(p.digest))
        return sum(piece.length for piece in missing)

    def warm(self, pieces: Iterable[Piece]) -> None:
        """Bring pieces into host memory."""
        absent = {p.digest: p for p in pieces if not p.zero and p.stored and not self._host.has(p.digest)}
        slots = [Slot(piece, host_buffer(piece.length)) for piece in absent.values()]
        self._fetcher.fill(slots)
        for slot in slots:
            self._host.put(slot.piece.digest, slot.target)

    def close(self) -> None:
        """Stop the background copies."""
        self._filler.shutdown(wait=True, cancel_futures=True)

    def _not_alive(self, record: TensorRecord, device: torch.device) -> tuple[Piece, ...]:
        alive = self._device.longest(record, device) if record.pieces else None
        return record.pieces[alive[1] :] if alive else record.pieces

    def _begin(self, record: TensorRecord, device: torch.device, gaps: list[_Gap]) -> torch.Tensor:
        """The tensor itself if it is alive; else a new one with its living prefix and zeros in place, and its gaps."""
        alive = self._device.longest(record, device) if record.pieces else None
        if alive and alive[1] == len(record.pieces) and tuple(alive[0].shape) == record.shape:
            self.counters["same_bytes"] += record.nbytes
            return alive[0]
        if all(piece.zero for piece in record.pieces):
            return torch.zeros(record.shape, dtype=DTYPES[record.dtype], device=device)
        made = torch.empty(record.shape, dtype=DTYPES[record.dtype], device=device)
        at, shared = 0, alive[1] if alive else 0
        if alive:
            at = sum(piece.extent for piece in record.pieces[:shared])
            cut(made, record.axis, 0, at).copy_(cut(alive[0], record.axis, 0, at))
            self.counters["alive_bytes"] += sum(piece.length for piece in record.pieces[:shared])
        for piece in record.pieces[shared:]:
            target = cut(made, record.axis, at, piece.extent)
            at += piece.extent
            if piece.zero:
                target.zero_()
            else:
                gaps.append(_Gap(record, piece, target))
        return made

    def _fill(self, gaps: Sequence[_Gap], device: torch.device) -> None:
        """Host memory first; the rest is read straight into CPU tensors, or into host buffers for a device."""
        absent: list[_Gap] = []
        held: list[torch.Tensor] = []
        for gap in gaps:
            buffer = self._host.get(gap.piece.digest)
            if buffer is None:
                absent.append(gap)
            else:
                held.append(buffer)
                gap.target.copy_(as_piece(buffer, gap.record, gap.piece), non_blocking=True)
        if not all(gap.piece.stored for gap in absent):
            raise EvictedMeanwhile
        self.counters["moved_bytes"] += sum(gap.piece.length for gap in gaps)
        if device.type == "cpu":
            self._fetcher.fill([Slot(gap.piece, gap.target) for gap in absent])
            self._keep_later(absent)
            return
        for gap, buffer in zip(absent, self._fetch(absent), strict=True):
            held.append(buffer)
            gap.target.copy_(as_piece(buffer, gap.record, gap.piece), non_blocking=True)
        if held and device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()  # the buffers must outlive the copies

    def _fetch(self, gaps: Sequence[_Gap]) -> list[torch.Tensor]:
        buffers = {gap.piece.digest: host_buffer(gap.piece.length) for gap in gaps}
        pieces = {gap.piece.digest: gap.piece for gap in gaps}
        self._fetcher.fill([Slot(piece, buffers[digest]) for digest, piece in pieces.items()])
        for digest, buffer in buffers.items():
            self._host.put(digest, buffer)
        return [buffers[gap.piece.digest] for gap in gaps]

    def _keep_later(self, gaps: Sequence[_Gap]) -> None:
        """Copy pieces that were read into CPU tensors to host memory, when the caller has gone on."""
        size = sum(gap.piece.length for gap in gaps)
        with self._lock:
            if not size or self._filling + size > self._host.budget:
                return
            self._filling += size
        told(self._filler, self._keep, gaps, size)

    def _keep(self, gaps: Sequence[_Gap], size: int) -> None:
        try:
            for gap in gaps:
                buffer = host_buffer(gap.piece.length)
                as_piece(buffer, gap.record, gap.piece).copy_(gap.target)
                if digest_of(byte_view(buffer)) == gap.piece.digest:  # the caller had the tensor in hand meanwhile
                    self._host.put(gap.piece.digest, buffer)
        finally:
            with self._lock:
                self._filling -= size
