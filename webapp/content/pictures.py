"""Frames and latents by checkpoint: from Redis right after the step, from object storage later, cached here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from arc_fabric.base.frames import frame_count, place_in_step, step_of
from arc_fabric.base.lru import Lru
from arc_fabric.errors import CheckpointUnavailable, FrameNotFound
from arc_fabric.ledger import Ledger, NodeRecord
from arc_fabric.media.frames import STRIP, unpack_strip
from arc_fabric.store.format.arrays import to_numpy
from arc_fabric.store.read.reader import SnapshotReader
from webapp.stream.hub import Hub

WAIT_S = 10.0
"""How long a reader waits for a checkpoint that is still on its way to storage."""
T = TypeVar("T")


class Cache(Generic[T]):
    """What was loaded, within a budget, and the latest whatever it weighs. Thread-safe; two readers may load the same
    thing at once."""

    def __init__(self, budget: int, weigh: Callable[[T], int]) -> None:
        self._known: Lru[Hashable, T] = Lru(budget, weigh, least=1)
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """The cached value of `key`, loaded if it is not there."""
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = load()
            with self._lock:
                self._known.add(key, found)
        return found

    def peek(self, key: Hashable) -> T | None:
        """The cached value, None if it is not there."""
        with self._lock:
            return self._known.peek(key)


@dataclass(frozen=True, eq=False)
class Ancestor:
    """The unchanging part of a node on a lineage."""

    id: str
    frame_index: int
    n_frames: int
    actions: np.ndarray | None
    """float32: a sixth of what lists of numbers take."""
    seed: int | None
    prompt: str
    session_id: str


class Pictures:
    """What a checkpoint looks like and which checkpoints lead to it. Thread-safe."""

    def __init__(self, ledger: Ledger, reader: SnapshotReader, hub: Hub) -> None:
        self._ledger, self._reader, self._hub = ledger, reader, hub
        self._strips: Cache[bytes] = Cache(64 << 20, len)
        self._frames: Cache[np.ndarray] = Cache(96 << 20, lambda a: a.nbytes)
        self._latents: Cache[tuple[str, tuple[int, ...], bytes]] = Cache(64 << 20, lambda x: len(x[2]))
        self._paths: Cache[tuple[Ancestor, ...]] = Cache(96 << 20, _weight)

    def strip(self, checkpoint_id: str) -> bytes:
        """The PNG strip of the frames a checkpoint added. Raises CheckpointNotFound, CheckpointUnavailable."""
        return self._strips.get(checkpoint_id, lambda: self._load_strip(checkpoint_id))

    def frames(self, checkpoint_id: str) -> np.ndarray:
        """The frames a checkpoint added, uint8 [F, H, W, 3]; do not write into them."""
        return self._frames.get(checkpoint_id, lambda: unpack_strip(self.strip(checkpoint_id)))

    def latents(self, checkpoint_id: str) -> tuple[str, tuple[int, ...], bytes]:
        """The latents a checkpoint added: safetensors dtype, shape [B, K, C, h, w], bytes."""
        return self._latents.get(checkpoint_id, lambda: self._when_stored(checkpoint_id, self._reader.latents))

    def latents_array(self, checkpoint_id: str) -> np.ndarray:
        """The latents a checkpoint added as a numpy array [B, K, C, h, w] (bfloat16 widened to float32, exactly)."""
        return to_numpy(*self.latents(checkpoint_id))

    def lineage(self, checkpoint_id: str) -> tuple[Ancestor, ...]:
        """The path root..checkpoint."""
        return self._paths.get(checkpoint_id, lambda: self._walk(checkpoint_id))

    def locate(self, head: str, n: int) -> tuple[str, int]:
        """Video frame `n` of the lineage of `head` as (checkpoint id, frame within its step)."""
        path = self.lineage(head)
        per_step = path[-1].n_frames
        total = frame_count(len(path) - 1, per_step)
        if n < total:
            return path[step_of(n, per_step)].id, place_in_step(n, per_step)
        raise FrameNotFound(
            f"there is no video frame {n}: the session has frames 0 to {total - 1}",
            hint="Step the session further, or ask for a frame it has.",
            n_frames=total,
        )

    def _walk(self, checkpoint_id: str) -> tuple[Ancestor, ...]:
        """One node more than its parent's path where that is known, else the whole path in one go."""
        node = self._ledger.nodes.get(checkpoint_id)
        known = self._paths.peek(node.parent) if node.parent else None
        if known is not None:
            return (*known, ancestor_of(node))
        return tuple(ancestor_of(node) for node in self._ledger.nodes.lineage(checkpoint_id))

    def _load_strip(self, checkpoint_id: str) -> bytes:
        kept = self._ledger.frames.strip(checkpoint_id)
        if kept is not None:
            return kept
        return self._when_stored(checkpoint_id, lambda id_: self._reader.attachment(id_, STRIP))

    def _when_stored(self, checkpoint_id: str, read: Callable[[str], T]) -> T:
        """Read; if the payload is still on its way to storage, wait for it a while and read again."""
        try:
            return read(checkpoint_id)
        except CheckpointUnavailable:
            if self._ledger.nodes.get(checkpoint_id).durability != "pending":
                raise
        self._hub.wait_durable(checkpoint_id, WAIT_S)
        return read(checkpoint_id)


def ancestor_of(node: NodeRecord) -> Ancestor:
    """The unchanging part of a node."""
    actions = None if node.actions is None else np.asarray(node.actions, np.float32)
    return Ancestor(node.id, node.frame_index, node.n_frames, actions, node.seed, node.prompt, node.session_id)


def _weight(path: tuple[Ancestor, ...]) -> int:
    """About how many bytes it takes; what it shares with others counts again."""
    actions = path[-1].actions
    return len(path) * (400 + (0 if actions is None else actions.nbytes))
