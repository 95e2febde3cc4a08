"""Restore: where each piece comes from, and bringing it to its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from arc_fabric.errors import DamagedSnapshot
from arc_fabric.store.backends import Backend
from arc_fabric.store.manifest import TENSORS, Piece, TensorRecord, digest_of, key_of
from arc_fabric.store.pieces import DTYPES, byte_view, cut
from arc_fabric.store.tiers import DeviceTier, DiskTier, HostTier
from arc_fabric.store.transfer import as_piece, host_buffer

_RUN_BYTES = 16 << 20


@dataclass(frozen=True)
class Run:
    """Neighbouring pieces of one file, read with one request."""

    checkpoint: str
    pieces: tuple[Piece, ...]


def runs(pieces: Iterable[Piece]) -> list[Run]:
    """Group pieces by file into requests of about 16 MiB; gaps are not read."""
    found: list[Run] = []
    group: list[Piece] = []
    size = 0
    for piece in sorted(pieces, key=lambda p: (p.checkpoint, p.offset)):
        follows = group and (group[-1].checkpoint, group[-1].offset + group[-1].length) == (
            piece.checkpoint,
            piece.offset,
        )
        if group and (not follows or size + piece.length > _RUN_BYTES):
            found.append(Run(group[0].checkpoint, tuple(group)))
            group, size = [], 0
        group.append(piece)
        size += piece.length
    if group:
        found.append(Run(group[0].checkpoint, tuple(group)))
    return found


class Restorer:
    """Assembles tensors from living tensors, host memory, disk and object storage. Thread-safe."""

    def __init__(
        self, backend: Backend, device: DeviceTier, host: HostTier, disk: DiskTier | None, *, threads: int = 4
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._backend = backend
        self._device = device
        self._host = host
        self._disk = disk
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="arc-store-read")

    def tensors(self, records: Sequence[TensorRecord], device: torch.device) -> dict[str, torch.Tensor]:
        """Every record as a tensor on `device`. A tensor that is alive there comes back itself, not copied."""
        alive = {record.name: self._device.longest(record, device) for record in records if record.pieces}
        missing = [p for record in records for p in _after(record, alive.get(record.name)) if not p.zero]
        buffers = self.fetch(missing)
        made = {record.name: self._assemble(record, alive.get(record.name), buffers, device) for record in records}
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        for record in records:
            self._device.remember(made[record.name], record)
        return made

    def fetch(self, pieces: Iterable[Piece]) -> dict[str, torch.Tensor]:
        """Pieces as host buffers by digest, verified when they come from disk or storage."""
        wanted = {piece.digest: piece for piece in pieces}
        found: dict[str, torch.Tensor] = {}
        for digest in wanted:
            buffer = self._host.get(digest)
            if buffer is not None:
                found[digest] = buffer
        absent = [piece for digest, piece in wanted.items() if digest not in found]
        for part in self._pool.map(self._read, runs(absent)):
            found.update(part)
        return found

    def close(self) -> None:
        """Stop the reading threads."""
        self._pool.shutdown(wait=False)

    def _read(self, run: Run) -> dict[str, torch.Tensor]:
        buffers = {piece.digest: host_buffer(piece.length) for piece in run.pieces}
        remote = [piece for piece in run.pieces if not self._from_disk(piece, buffers[piece.digest])]
        for part in runs(remote):
            self._from_storage(part, buffers)
        for digest, buffer in buffers.items():
            self._host.put(digest, buffer)
        return buffers

    def _from_disk(self, piece: Piece, buffer: torch.Tensor) -> bool:
        if self._disk is None or not self._disk.readinto(piece.digest, byte_view(buffer)):
            return False
        if digest_of(byte_view(buffer)) != piece.digest:
            self._disk.discard(piece.digest)
            return False
        return True

    def _from_storage(self, run: Run, buffers: dict[str, torch.Tensor]) -> None:
        key = key_of(run.checkpoint, TENSORS)
        views = [byte_view(buffers[piece.digest]) for piece in run.pieces]
        try:
            self._backend.readinto(key, run.pieces[0].offset, views)
        except (KeyError, ValueError) as error:
            raise DamagedSnapshot(
                f"{key} is missing or cut short.", checkpoint_id=run.checkpoint, object=key
            ) from error
        self.counters["storage_bytes"] += sum(piece.length for piece in run.pieces)
        for piece, view in zip(run.pieces, views, strict=True):
            if digest_of(view) != piece.digest:
                raise DamagedSnapshot(
                    f"{key}: piece {piece.key} ({piece.length} bytes at {piece.offset}) does not match its digest.",
                    checkpoint_id=run.checkpoint,
                    object=key,
                    piece=piece.key,
                )

    def _assemble(
        self,
        record: TensorRecord,
        alive: tuple[torch.Tensor, int] | None,
        buffers: dict[str, torch.Tensor],
        device: torch.device,
    ) -> torch.Tensor:
        if alive and alive[1] == len(record.pieces) and tuple(alive[0].shape) == record.shape:
            self.counters["same_bytes"] += record.nbytes
            return alive[0]
        if all(piece.zero for piece in record.pieces):
            return torch.zeros(record.shape, dtype=DTYPES[record.dtype], device=device)
        made = torch.empty(record.shape, dtype=DTYPES[record.dtype], device=device)
        at = 0
        if alive:
            at = sum(piece.extent for piece in record.pieces[: alive[1]])
            cut(made, record.axis, 0, at).copy_(cut(alive[0], record.axis, 0, at))
            self.counters["alive_bytes"] += sum(piece.length for piece in record.pieces[: alive[1]])
        for piece in _after(record, alive):
            target = cut(made, record.axis, at, piece.extent)
            if piece.zero:
                target.zero_()
            else:
                target.copy_(as_piece(buffers[piece.digest], record, piece), non_blocking=True)
                self.counters["moved_bytes"] += piece.length
            at += piece.extent
        return made


def _after(record: TensorRecord, alive: tuple[torch.Tensor, int] | None) -> tuple[Piece, ...]:
    return record.pieces[alive[1] :] if alive else record.pieces
