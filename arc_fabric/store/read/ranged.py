"""Bringing the bytes of pieces into memory: neighbours in one request, several at once, every digest checked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from blake3 import blake3

from arc_fabric.errors import DamagedSnapshot
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import TENSORS, Piece, key_of
from arc_fabric.store.format.pieces import slabs
from arc_fabric.store.tiers import DiskTier

_RUN_BYTES = 16 << 20
_THREADS = 4


@dataclass(frozen=True, eq=False)
class Slot:
    """A piece and the host memory it goes to: a tensor of the piece's shape, contiguous or a cut of one."""

    piece: Piece
    target: torch.Tensor


def runs(slots: Iterable[Slot]) -> list[list[Slot]]:
    """Group slots whose pieces are neighbours in one file, about 16 MiB to a group; gaps are not read."""
    found: list[list[Slot]] = []
    end: tuple[str, int] | None = None
    size = 0
    for slot in sorted(slots, key=lambda s: (s.piece.checkpoint, s.piece.offset)):
        piece = slot.piece
        if end != (piece.checkpoint, piece.offset) or size + piece.length > _RUN_BYTES:
            found.append([])
            size = 0
        found[-1].append(slot)
        end = piece.checkpoint, piece.offset + piece.length
        size += piece.length
    return found


class Fetcher:
    """Fills slots from the disk tier or object storage. Thread-safe."""

    def __init__(self, backend: Backend, disk: DiskTier | None) -> None:
        self.counters: Counter[str] = Counter()
        self.seconds_per_byte = 1e-8
        """Of reads from storage, as measured: a moving average."""
        self._backend = backend
        self._disk = disk
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-store-read")

    def fill(self, slots: Sequence[Slot]) -> None:
        """Fill every slot and check every digest. Raises DamagedSnapshot or StoreUnavailable."""
        remote = [slot for slot in slots if not self._from_disk(slot)]
        begin = time.perf_counter()
        groups = runs(remote)
        for _ in self._pool.map(self._from_storage, groups) if len(groups) > 1 else map(self._from_storage, groups):
            pass
        size = sum(slot.piece.length for slot in remote)
        self.counters["storage_bytes"] += size
        if size > 1 << 20:
            self.seconds_per_byte += 0.3 * ((time.perf_counter() - begin) / size - self.seconds_per_byte)

    def close(self) -> None:
        """Stop the reading threads."""
        self._pool.shutdown(wait=False)

    def _from_disk(self, slot: Slot) -> bool:
        if self._disk is None:
            return False
        views = slabs(slot.target)
        if not self._disk.readinto(slot.piece.digest, views):
            return False
        if _digest(views) != slot.piece.digest:
            self._disk.discard(slot.piece.digest)
            return False
        self.counters["disk_bytes"] += slot.piece.length
        return True

    def _from_storage(self, run: Sequence[Slot]) -> None:
        first = run[0].piece
        key = key_of(first.checkpoint, TENSORS)
        views = [slabs(slot.target) for slot in run]
        try:
            self._backend.readinto(key, first.offset, [view for several in views for view in several])
        except (KeyError, ValueError) as error:
            if len(run) > 1:  # name the piece that is missing, and read those that are not
                for slot in run:
                    self._from_storage([slot])
                return
            raise DamagedSnapshot(
                f"{key} is missing or cut short before the end of {first.key}.",
                checkpoint_id=first.checkpoint,
                object=key,
                piece=first.key,
            ) from error
        for slot, several in zip(run, views, strict=True):
            if _digest(several) != slot.piece.digest:
                raise damaged_piece(slot.piece)


def damaged_piece(piece: Piece) -> DamagedSnapshot:
    """The error for stored bytes that are not what they were."""
    key = key_of(piece.checkpoint, TENSORS)
    return DamagedSnapshot(
        f"{key}: piece {piece.key} ({piece.length} bytes at {piece.offset}) does not match its digest.",
        checkpoint_id=piece.checkpoint,
        object=key,
        piece=piece.key,
    )


def _digest(views: Iterable[memoryview]) -> str:
    hasher = blake3()
    for view in views:
        hasher.update(view)
    return hasher.hexdigest()
