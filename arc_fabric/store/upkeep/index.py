"""What passes before have read of manifests, so that each is read once: an index in the store itself.

Manifests hardly ever change, and a listing tells when one was replaced: its size, its time, its version (the ETag). The
index holds `Facts` under a stamp of these three. What it says of a manifest is believed only where the stamp fits the
listing of this very pass; whatever is missing, damaged, stale or of another form is read again. So it may be deleted at
any time, written by several at once, and left half-written by a kill.

    gc/index/<id>   a shard: a header line, then one JSON line per manifest in key order, compressed; its first id

Only shards in which something changed are written. An `Index` that is kept also keeps the shards, compressed, and reads
only those that others have written since.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from arc_fabric.store.backends.base import Backend, ObjectInfo
from arc_fabric.store.format.manifest import digest_of
from arc_fabric.store.upkeep.facts import Facts

INDEX = "gc/index/"
FORMAT, VERSION = "arc-fabric-index", 1
SETTLED_S = 10.0
"""A manifest younger than this is not remembered: it might be replaced within the resolution of the storage's clock."""
_MOST, _LEAST = 8192, 2048
"""Lines of a shard; neighbours that have no more than the least together become one."""


@dataclass(frozen=True)
class _Shard:
    version: str
    """What the listing said of the object when these were its bytes."""
    data: bytes
    count: int


class Index:
    """The remembered facts of one store. Not thread-safe; one pass at a time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._shards: dict[str, _Shard] = {}

    def begin(self, now: float) -> IndexPass:
        """A pass over all manifests at this time of the storage's clock. Raises StoreUnavailable."""
        kept: dict[str, _Shard] = {}
        for info in self._backend.list(INDEX):
            name = info.key.removeprefix(INDEX)
            known = self._shards.get(name)
            if known is None or not info.version or known.version != _content(info):
                known = self._read(info)
            kept[name] = known
        self._shards = kept
        return IndexPass(self, now)

    def lines(self, name: str) -> list[str]:
        """The lines of a shard; none of one that is damaged."""
        return _lines(self._shards[name].data)

    def counts(self) -> dict[str, int]:
        """The shards and how many lines they have, in key order of their first id."""
        return {name: self._shards[name].count for name in sorted(self._shards, key=_order)}

    def write(self, name: str, lines: list[str]) -> None:
        """Put a shard in place of what was under its name."""
        body = "\n".join(lines).encode()
        header = {"format": FORMAT, "version": VERSION, "digest": digest_of(body)}
        data = zlib.compress(json.dumps(header).encode() + b"\n" + body, 3)
        self._backend.put(INDEX + name, data)
        try:
            version = _content(self._backend.stat(INDEX + name))
        except KeyError:
            version = ""  # another collector has removed it
        self._shards[name] = _Shard(version, data, len(lines))

    def remove(self, name: str) -> None:
        """Delete a shard."""
        self._backend.delete(INDEX + name)
        del self._shards[name]

    def _read(self, info: ObjectInfo) -> _Shard:
        try:
            data = self._backend.get(info.key)
        except (KeyError, ValueError):
            data = b""  # another collector is at work on it
        return _Shard(_content(info), data, len(_lines(data)))


class IndexPass:
    """One pass: `recall` and `note` manifests in key order, then `finish`. What is not noted is forgotten."""

    def __init__(self, index: Index, now: float) -> None:
        self._index = index
        self._latest = now - SETTLED_S
        self._counts = index.counts()
        self._starts = [*self._counts]
        self._remembered = self._read_all()
        self._next = next(self._remembered, None)
        self._name = ""
        self._lines: list[str] = []
        self._written: set[str] = set()

    def recall(self, checkpoint_id: str, info: ObjectInfo) -> Facts | None:
        """The facts of the manifest that the listing shows, if they are remembered."""
        wanted = _order(checkpoint_id)
        while self._next is not None and self._next[0] < wanted:
            self._next = next(self._remembered, None)
        if self._next is None or self._next[0] != wanted:
            return None
        try:
            _, stamp, facts = json.loads(self._next[1])
            return Facts.from_json(facts) if stamp == _stamp(info) else None
        except (ValueError, TypeError):
            return None

    def note(self, checkpoint_id: str, info: ObjectInfo, facts: Facts) -> None:
        """Remember the facts of a manifest."""
        if not info.version or info.modified > self._latest:
            return
        if self._lines and _order(checkpoint_id) <= _order(_id_of(self._lines[-1])):
            return  # this store lists in another order; it is read again the next time
        if self._full(checkpoint_id):
            self._close()
        if not self._lines:
            self._name = checkpoint_id
        self._lines.append(json.dumps([checkpoint_id, _stamp(info), facts.to_json()], separators=(",", ":")))

    def finish(self) -> None:
        """Write what is left, and remove the shards of what is gone."""
        self._close()
        for name in self._counts.keys() - self._written:
            self._index.remove(name)

    def _read_all(self) -> Iterator[tuple[str, str]]:
        for name in [*self._counts]:
            for line in self._index.lines(name):
                yield _order(_id_of(line)), line

    def _full(self, checkpoint_id: str) -> bool:
        """Whether a shard ends before this id."""
        passed = ""
        while self._starts and _order(self._starts[0]) <= _order(checkpoint_id):
            passed = self._starts.pop(0)
        small = bool(passed) and len(self._lines) + self._counts[passed] <= _LEAST
        return len(self._lines) >= _MOST or (bool(passed) and not small)

    def _close(self) -> None:
        if not self._lines:
            return
        if self._name not in self._counts or self._index.lines(self._name) != self._lines:
            self._index.write(self._name, self._lines)
        self._written.add(self._name)
        self._lines = []


def _lines(data: bytes) -> list[str]:
    try:
        header, _, body = zlib.decompress(data).partition(b"\n")
        facts = json.loads(header)
        good = (facts["format"], facts["version"], facts["digest"]) == (FORMAT, VERSION, digest_of(body))
    except (zlib.error, ValueError, KeyError, TypeError):
        return []
    return body.decode().split("\n") if good and body else []


def _id_of(line: str) -> str:
    return line[2 : line.index('"', 2)]


def _order(checkpoint_id: str) -> str:
    """What key order compares: `a-b/` comes before `a/`."""
    return checkpoint_id + "/"


def _content(info: ObjectInfo) -> str:
    return f"{info.version} {info.size}"


def _stamp(info: ObjectInfo) -> str:
    return blake2b(f"{_content(info)} {info.modified!r}".encode(), digest_size=12).hexdigest()
