"""The check's way over everything that is stored: what it holds per checkpoint is a few numbers, never a manifest.

A first pass reads each manifest once. Its own file is looked at then, piece by piece; of a piece in another's file it
only asks whether that file's own manifest, met before, names it: then it was looked at there. Checkpoints with pieces
of which that cannot be said (the other was deleted, or comes later in the listing) are read once more. Only where
something is damaged does a last pass ask every manifest whether it needs it.
"""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, Literal, TypeVar

from arc_fabric.errors import StoreError, UnknownFormat
from arc_fabric.store.backends.base import Backend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, Piece, is_rebuildable, key_of
from arc_fabric.store.upkeep import scan
from arc_fabric.store.upkeep.check.damage import Damage, Problem
from arc_fabric.store.upkeep.check.objects import Objects

_THREADS = 4
_BATCH = 128
"""Checkpoints whose manifests are held at once."""
_Task = tuple[Callable[[], Any], Callable[[Any], None]]
"""What to do in some thread, and what to do with what it gave."""
T = TypeVar("T")


@dataclass
class CheckReport:
    """What was looked at, and everything found wrong."""

    checkpoints: int = 0
    objects: int = 0
    pieces: int = 0
    pieces_read: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing was found wrong."""
        return not self.problems

    @property
    def affected(self) -> set[str]:
        """Every checkpoint that some problem touches."""
        return {checkpoint_id for problem in self.problems for checkpoint_id in problem.checkpoints}

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self) | {"ok": self.ok, "affected": sorted(self.affected)}


@dataclass(slots=True)
class _File:
    """What is kept of a checkpoint's tensors file."""

    size: int | None
    """Bytes; None: it is not there."""
    dropped: bool = False
    """Its KV was taken out."""
    marks: array[int] = field(default_factory=lambda: array("Q"))
    """Of the pieces in it that its own manifest names, and which were looked at for that."""


class Checker:
    """Verifies manifests, references, sizes and headers; with `read_data` > 0 also that share of all stored bytes."""

    def __init__(self, backend: Backend, *, read_data: float = 0.0, seed: int | None = None) -> None:
        self._backend = backend
        self._objects = Objects(backend)
        self._share = read_data
        self._seed = seed

    def run(self) -> CheckReport:
        """Look at everything once. Raises StoreUnavailable; all damage goes into the report."""
        began = time.monotonic()
        self._report, self._damage = CheckReport(), Damage()
        self._random = random.Random(self._seed)
        self._files: dict[str, _File] = {}
        self._unsure: list[str] = []
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-store-check") as pool:
            for batch in _batches(scan.listed(self._backend)):
                self._do(pool, self._first(dict(batch)))
            for ids in _batches(self._unsure):
                self._do(pool, self._again(ids))
        if self._damage:
            for ids in _batches(self._files):
                self._spread(ids)
        self._report.problems += sorted(self._damage.problems(), key=lambda problem: problem.object)
        self._report.seconds = time.monotonic() - began
        return self._report

    def _do(self, pool: ThreadPoolExecutor, tasks: Iterable[_Task]) -> None:
        """Work in many threads, take what came of it in this one."""
        tasks = list(tasks)
        for (_, take), result in zip(tasks, pool.map(lambda task: task[0](), tasks), strict=True):
            take(result)

    def _first(self, batch: dict[str, scan.Objects]) -> Iterator[_Task]:
        """Note these checkpoints' files, and look at what is theirs alone."""
        found = dict(scan.manifests(self._backend, [i for i, objects in batch.items() if MANIFEST in objects]))
        for checkpoint_id, objects in batch.items():
            self._report.objects += len(objects)
            manifest = found.get(checkpoint_id)
            self._files[checkpoint_id] = file = _File(objects[TENSORS].size if TENSORS in objects else None)
            if isinstance(manifest, StoreError):
                self._unreadable(checkpoint_id, manifest)
            elif manifest is not None:
                self._report.checkpoints += 1
                yield from self._own_file(manifest, file)
                yield from self._attachments(manifest, objects)
                if not all(self._was_looked_at(piece) for piece in _of_others(manifest)):
                    self._unsure.append(checkpoint_id)

    def _unreadable(self, checkpoint_id: str, error: StoreError) -> None:
        self._report.checkpoints += 1
        kind: Literal["version", "manifest"] = "version" if isinstance(error, UnknownFormat) else "manifest"
        self._report.problems.append(Problem(kind, key_of(checkpoint_id, MANIFEST), error.message, (checkpoint_id,)))

    def _own_file(self, owner: Manifest, file: _File) -> Iterator[_Task]:
        file.dropped = owner.kv_dropped
        if owner.deleted:
            return
        pieces = [piece for _, piece in owner.own_parts()]
        file.marks = array("Q", map(_mark, pieces))
        self._report.pieces += len(pieces)
        if file.size is None:
            self._damage.file(owner.checkpoint_id, owned=True)
            return
        yield partial(self._objects.header, owner, file.size), self._take
        for piece in pieces:
            yield from self._piece(piece, file)

    def _attachments(self, manifest: Manifest, objects: scan.Objects) -> Iterator[_Task]:
        for name, facts in manifest.attachments.items():
            info = objects.get(name)
            if info is None or info.size != facts["length"]:
                key, what = key_of(manifest.checkpoint_id, name), "it is missing or has another length"
                self._report.problems.append(Problem("attachment", key, what, (manifest.checkpoint_id,)))
            elif self._chosen(facts["length"]):
                yield partial(self._objects.attachment, manifest.checkpoint_id, name, facts), self._take

    def _again(self, ids: Iterable[str]) -> Iterator[_Task]:
        """The pieces of these checkpoints that no other one answers for."""
        for _, manifest in scan.manifests(self._backend, ids):
            for piece in _of_others(manifest) if isinstance(manifest, Manifest) else ():
                if not self._was_looked_at(piece):
                    yield from self._unowned(piece)

    def _unowned(self, piece: Piece) -> Iterator[_Task]:
        file = self._files.setdefault(piece.checkpoint, _File(None))
        if file.size is None:  # it may have come since the listing
            file.size = self._objects.size(piece.checkpoint)
        file.marks.append(_mark(piece))
        self._report.pieces += 1
        if file.size is None:
            self._damage.file(piece.checkpoint, owned=False)
        else:
            yield from self._piece(piece, file)

    def _piece(self, piece: Piece, file: _File) -> Iterator[_Task]:
        if file.dropped and is_rebuildable(piece.key):
            return
        if piece.offset + piece.length > (file.size or 0):
            self._damage.piece("short", piece, f"ends at byte {file.size}")
        elif self._chosen(piece.length):
            yield partial(self._objects.is_good, piece), partial(self._judge, piece)

    def _was_looked_at(self, piece: Piece) -> bool:
        """Or need not be: KV that was taken out of storage."""
        file = self._files.get(piece.checkpoint)
        return file is not None and (_mark(piece) in file.marks or (file.dropped and is_rebuildable(piece.key)))

    def _spread(self, ids: Iterable[str]) -> None:
        for _, manifest in scan.manifests(self._backend, ids):
            if isinstance(manifest, Manifest):
                self._damage.spread(manifest)

    def _chosen(self, length: int) -> bool:
        """Whether to read these bytes."""
        chosen = self._random.random() < self._share
        self._report.pieces_read += chosen
        self._report.bytes_read += length if chosen else 0
        return chosen

    def _judge(self, piece: Piece, good: bool) -> None:
        if not good:
            self._damage.piece("data", piece, "does not match its digest")

    def _take(self, problem: Problem | None) -> None:
        if problem is not None:
            self._report.problems.append(problem)


def _of_others(manifest: Manifest) -> Iterator[Piece]:
    """Its pieces that lie in files of other checkpoints."""
    return (piece for piece in manifest.pieces() if piece.checkpoint not in ("", manifest.checkpoint_id))


def _mark(piece: Piece) -> int:
    """64 bits that stand for a piece among those of one file."""
    text = f"{piece.offset} {piece.length} {piece.digest}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    several = iter(items)
    while batch := list(islice(several, _BATCH)):
        yield batch
