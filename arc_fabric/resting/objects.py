"""A resting tree in object storage, below `trees/<tree id>/<token>/`:

    nodes-000000.json.gz     500 nodes each, in the order of the tree: [id, fields, children, place]
    sessions-000000.json.gz  200 sessions each: [id, fields, whether it is a bulk one]
    facts.json.gz            what upkeep must know of it without bringing it back
    index.json               the names, lengths and digests of these, written last

Fields are the JSON texts of the ledger's records as they were. Each time that a tree goes to rest has a token of its
own, so that nothing is ever overwritten; Redis holds the token and the index's digest.
"""

from __future__ import annotations

import gzip
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

from arc_fabric.errors import DamagedSnapshot, StoreUnavailable, UnknownFormat
from arc_fabric.store.backends import Backend

TREES = "trees/"
INDEX = "index.json"
FACTS = "facts.json.gz"
FORMAT, VERSION = "arc-fabric-resting-tree", 1
NODES_PER_CHUNK, SESSIONS_PER_CHUNK = 500, 200
_AHEAD = 4
"""Chunks that are read while one is put back."""


def folder(tree_id: str, token: str) -> str:
    """Where a tree lies that rests under this token."""
    return f"{TREES}{tree_id}/{token}/"


def digest_of(data: bytes) -> str:
    """BLAKE2b, 128 bits, in hex."""
    return blake2b(data, digest_size=16).hexdigest()


class Writer:
    """Stores one tree; each object is read back and compared."""

    def __init__(self, backend: Backend, tree_id: str, token: str) -> None:
        self._backend, self._tree_id, self._token = backend, tree_id, token
        self._chunks: list[dict[str, Any]] = []

    def chunk(self, kind: str, items: Sequence[Any]) -> None:
        """Store a chunk of nodes or sessions, or the facts."""
        count = sum(one["kind"] == kind for one in self._chunks)
        name = FACTS if kind == "facts" else f"{kind}-{count:06d}.json.gz"
        data = gzip.compress(json.dumps(items, separators=(",", ":")).encode(), 3, mtime=0)
        self._put(name, data)
        self._chunks.append({"kind": kind, "name": name, "length": len(data), "digest": digest_of(data)})

    def finish(self) -> str:
        """Store the index; its digest."""
        body = {"format": FORMAT, "version": VERSION, "tree_id": self._tree_id, "chunks": self._chunks}
        data = json.dumps(body, separators=(",", ":")).encode()
        self._put(INDEX, data)
        return digest_of(data)

    def _put(self, name: str, data: bytes) -> None:
        key = folder(self._tree_id, self._token) + name
        self._backend.put(key, data)
        try:
            same = self._backend.get(key) == data
        except KeyError:
            same = False
        if not same:
            raise StoreUnavailable(f"Storage does not give back what was stored as {key}.", object=key)


class Reader:
    """Reads one tree, verifying every digest. Raises StoreUnavailable, DamagedSnapshot, UnknownFormat."""

    def __init__(self, backend: Backend, tree_id: str, token: str, digest: str) -> None:
        self._backend, self._tree_id, self._token = backend, tree_id, token
        body = json.loads(self._get(INDEX, digest))
        if (body["format"], body["version"]) != (FORMAT, VERSION):
            raise UnknownFormat(f"Tree {tree_id} rests in version {body['version']!r}; this software reads {VERSION}.")
        self.chunks: list[dict[str, Any]] = body["chunks"]

    def read(self, kind: str) -> Iterator[list[Any]]:
        """The chunks of one kind in their order; some are read ahead."""
        with ThreadPoolExecutor(_AHEAD, thread_name_prefix="arc-resting-read") as pool:
            ahead: deque[Future[list[Any]]] = deque()
            for chunk in (one for one in self.chunks if one["kind"] == kind):
                ahead.append(pool.submit(self._chunk, chunk))
                if len(ahead) > _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _chunk(self, chunk: dict[str, Any]) -> list[Any]:
        found: list[Any] = json.loads(gzip.decompress(self._get(chunk["name"], chunk["digest"])))
        return found

    def _get(self, name: str, digest: str) -> bytes:
        key = folder(self._tree_id, self._token) + name
        try:
            data = self._backend.get(key)
        except KeyError:
            raise self._damaged(key, "is not there") from None
        if digest_of(data) != digest:
            raise self._damaged(key, "does not have its digest")
        return data

    def _damaged(self, key: str, what: str) -> DamagedSnapshot:
        return DamagedSnapshot(
            f"Tree {self._tree_id} rests in object storage, and {key} {what}.",
            hint="Put the object back from a copy of the storage; nothing was changed.",
            object=key,
        )
