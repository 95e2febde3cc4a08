"""The way back: the records of a resting tree are read from storage and put into Redis."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from arc_fabric.base.lru import Lru
from arc_fabric.errors import ServiceError, StoreError
from arc_fabric.ids import new_id
from arc_fabric.ledger.trees.resting import Resting
from arc_fabric.resting.objects import Reader
from arc_fabric.store.backends import Backend

log = logging.getLogger(__name__)
PATIENCE_S = 60.0
"""How long one waits for another process that brings the same tree back."""
_POLL_S = 0.05
_SLICE = 100
"""Records that one script puts back: Redis serves nobody else meanwhile."""
_CACHED = 16 << 20


class StoreBed:
    """Where the trees of one ledger rest. Thread-safe."""

    def __init__(self, resting: Resting, backend: Backend) -> None:
        self._resting, self._backend = resting, backend
        self._lock = threading.Lock()
        self._known: Lru[tuple[str, str, str], tuple[int, Any]] = Lru(_CACHED, lambda kept: kept[0], least=1)

    def wake(self, tree_id: str) -> None:
        """Bring a tree back; returns when all of it is here. What cannot be read leaves it where it is.

        Raises StoreUnavailable, DamagedSnapshot, and ServiceError where another process takes very long.
        """
        me, until = new_id("wak"), time.monotonic() + PATIENCE_S
        while True:
            answer, row = self._resting.begin_wake(tree_id, me)
            if answer == "awake":
                return
            if answer == "ok" and self._bring(tree_id, me, row):
                return
            if time.monotonic() > until:
                raise ServiceError(
                    f"Tree {tree_id} is being brought back from object storage.", hint="Ask again.", tree_id=tree_id
                )
            time.sleep(_POLL_S)

    def facts(self, tree_id: str, token: str) -> dict[str, Any]:
        """What upkeep must know of a tree that rests."""
        found: dict[str, Any] = self._cached(tree_id, token, "facts")
        return found

    def sessions(self, tree_id: str, token: str) -> dict[str, dict[str, Any]]:
        """Fields of its sessions by id."""
        found: dict[str, dict[str, Any]] = self._cached(tree_id, token, "sessions")
        return found

    def _bring(self, tree_id: str, me: str, row: dict[str, Any]) -> bool:
        """False where it took so long that records may have been dropped again."""
        began = time.monotonic()
        try:
            reader = Reader(self._backend, tree_id, row["token"], row["digest"])
            for kind in ("nodes", "sessions"):
                for some in _slices(reader.read(kind)):
                    given = (some, []) if kind == "nodes" else ([], some)
                    if not self._resting.lay(tree_id, me, *given):
                        return False
        except StoreError:
            self._resting.give_up(tree_id, me)
            raise
        done = self._resting.awake(tree_id, me)
        log.info("tree %s is back: %d nodes in %.2f s", tree_id, row["nodes"], time.monotonic() - began)
        return done

    def _cached(self, tree_id: str, token: str, kind: str) -> Any:
        """The objects of one token never change."""
        key = (tree_id, token, kind)
        with self._lock:
            kept = self._known.get(key)
        if kept is None:
            kept = self._read(tree_id, token, kind)
            with self._lock:
                self._known.add(key, kept)
        return kept[1]

    def _read(self, tree_id: str, token: str, kind: str) -> tuple[int, Any]:
        row = self._resting.row(tree_id)
        if row is None or row["token"] != token:
            return 1, {} if kind == "sessions" else {
                "inputs": [],
                "kept": [],
                "heads": [],
                "tags": [],
            }  # it has just come back
        found = [item for some in Reader(self._backend, tree_id, token, row["digest"]).read(kind) for item in some]
        size = len(json.dumps(found))
        return size, found[0] if kind == "facts" else {item[0]: item[1] for item in found}


def _slices(chunks: Iterator[list[Any]]) -> Iterator[Sequence[Any]]:
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk[start : start + _SLICE]
