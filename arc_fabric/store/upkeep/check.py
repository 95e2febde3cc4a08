"""The check (`arc-fabric fsck`): is everything that the manifests promise there, and is it what it was?"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, StoreError, UnknownFormat
from arc_fabric.store.backends.base import Backend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, Piece, digest_of, is_rebuildable, key_of
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep.scan import Objects, listed, manifests

_THREADS = 4
Kind = Literal["manifest", "version", "missing", "short", "header", "data", "attachment", "tree"]


@dataclass(frozen=True)
class Problem:
    """One damaged or missing thing."""

    kind: Kind
    object: str
    what: str
    checkpoints: tuple[str, ...]
    """The checkpoints that cannot be restored in full because of it."""
    rebuildable: bool = False
    """KV: can be rebuilt from latents."""
    piece: str = ""


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


class _Everything:
    """A listing and all manifests, read anew. Those that vanished since the listing are left out."""

    def __init__(self, backend: Backend) -> None:
        self.objects: dict[str, Objects] = dict(listed(backend))
        self.manifests: dict[str, Manifest] = {}
        self.unreadable: dict[str, StoreError] = {}
        for checkpoint_id, found in manifests(backend, (i for i, of_one in self.objects.items() if MANIFEST in of_one)):
            if isinstance(found, Manifest):
                self.manifests[checkpoint_id] = found
            elif found is not None:
                self.unreadable[checkpoint_id] = found

    def referenced(self) -> dict[str, set[str]]:
        """checkpoint id -> the live checkpoints that need its tensors file."""
        users: dict[str, set[str]] = defaultdict(set)
        for manifest in self.manifests.values():
            for needed in manifest.references():
                users[needed].add(manifest.checkpoint_id)
        return dict(users)


class Checker:
    """Verifies manifests, references, sizes and headers; with `read_data` > 0 also that share of all stored bytes."""

    def __init__(self, backend: Backend, *, read_data: float = 0.0, seed: int | None = None) -> None:
        self._backend = backend
        self._share = read_data
        self._random = random.Random(seed)

    def run(self) -> CheckReport:
        """Look at everything once. Raises StoreUnavailable; all damage goes into the report."""
        began, report = time.monotonic(), CheckReport()
        found = _Everything(self._backend)
        report.checkpoints = len(found.manifests) + len(found.unreadable)
        report.objects = sum(len(members) for members in found.objects.values())
        report.problems += _unreadable(found)
        tasks = [*self._file_checks(found, report), *self._attachment_checks(found)]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-store-check") as pool:
            for problems, read in pool.map(lambda task: task(), tasks):
                report.problems += problems
                report.pieces_read += read > 0
                report.bytes_read += read
        report.seconds = time.monotonic() - began
        return report

    def _file_checks(self, found: _Everything, report: CheckReport) -> Iterator[_Task]:
        for checkpoint_id, users in sorted(found.referenced().items()):
            key = key_of(checkpoint_id, TENSORS)
            who = tuple(sorted(users))
            pieces = _pieces_in(checkpoint_id, (found.manifests[user] for user in users))
            report.pieces += len(pieces)
            info = found.objects.get(checkpoint_id, {}).get(TENSORS)
            owner = found.manifests.get(checkpoint_id)
            if info is None:
                yield _found(Problem("missing", key, "the file is not there", who, _all_rebuildable(pieces, owner)))
                continue
            if owner is not None and not owner.deleted:
                yield partial(self._check_header, owner, info.size)
            gone = owner is not None and owner.kv_dropped
            for piece, holders in pieces.items():
                if gone and is_rebuildable(piece.key):
                    continue
                if piece.offset + piece.length > info.size:
                    yield _found(_of_piece("short", piece, f"ends at byte {info.size}", holders))
                elif self._random.random() < self._share:
                    yield partial(self._read_piece, piece, holders)

    def _attachment_checks(self, found: _Everything) -> Iterator[_Task]:
        for manifest in found.manifests.values():
            for name, facts in manifest.attachments.items():
                key = key_of(manifest.checkpoint_id, name)
                info = found.objects[manifest.checkpoint_id].get(name)
                who = (manifest.checkpoint_id,)
                if info is None or info.size != facts["length"]:
                    yield _found(Problem("attachment", key, "it is missing or has another length", who))
                elif self._random.random() < self._share:
                    yield partial(self._read_attachment, key, facts, who)

    def _check_header(self, owner: Manifest, size: int) -> _Outcome:
        key = key_of(owner.checkpoint_id, TENSORS)
        who = (owner.checkpoint_id,)
        if owner.kv_dropped and size > owner.file["length"]:
            return [], 0  # a drop that was cut off after the manifest: the file is the old one, with its old header
        length = int(owner.file["header_length"])
        header = self._read(key, 0, length)
        if header is None or digest_of(header) != owner.file["header_digest"]:
            if not owner.kv_dropped and self._is_dropped_now(owner.checkpoint_id):
                return [], 0
            what = "the safetensors header does not match its digest (pieces are found without it)"
            return [Problem("header", key, what, who)], 0
        if size != owner.file["length"] and not owner.kv_dropped:
            return [Problem("short", key, f"has {size} bytes, not {owner.file['length']}", who)], 0
        return [], 0

    def _read_piece(self, piece: Piece, holders: tuple[str, ...]) -> _Outcome:
        data = self._read(key_of(piece.checkpoint, TENSORS), piece.offset, piece.length)
        if data is None or digest_of(data) != piece.digest:
            if is_rebuildable(piece.key) and self._is_dropped_now(piece.checkpoint):
                return [], piece.length
            return [_of_piece("data", piece, "does not match its digest", holders)], piece.length
        return [], piece.length

    def _read_attachment(self, key: str, facts: Any, who: tuple[str, ...]) -> _Outcome:
        data = self._read(key, 0, facts["length"])
        wrong = data is None or digest_of(data) != facts["digest"]
        return [Problem("attachment", key, "it does not match its digest", who)] if wrong else [], facts["length"]

    def _is_dropped_now(self, checkpoint_id: str) -> bool:
        """Whether its KV left storage while we looked."""
        try:
            return load_manifest(self._backend, checkpoint_id).kv_dropped
        except (CheckpointUnavailable, DamagedSnapshot, UnknownFormat):
            return False

    def _read(self, key: str, offset: int, length: int) -> bytes | None:
        try:
            return self._backend.get(key, offset, length)
        except (KeyError, ValueError):
            return None


_Outcome = tuple[list[Problem], int]
_Task = Callable[[], _Outcome]


def _found(problem: Problem) -> _Task:
    return lambda: ([problem], 0)


def _unreadable(found: _Everything) -> Iterator[Problem]:
    for checkpoint_id, error in found.unreadable.items():
        kind: Kind = "version" if isinstance(error, UnknownFormat) else "manifest"
        yield Problem(kind, key_of(checkpoint_id, MANIFEST), error.message, (checkpoint_id,))


def _pieces_in(checkpoint_id: str, manifests: Iterable[Manifest]) -> dict[Piece, tuple[str, ...]]:
    """The pieces of one file, each once, with the checkpoints that need it."""
    found: dict[tuple[int, str], tuple[Piece, set[str]]] = {}
    for manifest in manifests:
        for piece in manifest.pieces():
            if piece.checkpoint == checkpoint_id:
                found.setdefault((piece.offset, piece.digest), (piece, set()))[1].add(manifest.checkpoint_id)
    return {piece: tuple(sorted(users)) for piece, users in found.values()}


def _of_piece(kind: Kind, piece: Piece, what: str, holders: tuple[str, ...]) -> Problem:
    key = key_of(piece.checkpoint, TENSORS)
    text = f"piece {piece.key} ({piece.length} bytes at {piece.offset}) {what}"
    return Problem(kind, key, text, holders, is_rebuildable(piece.key), piece.key)


def _all_rebuildable(pieces: Iterable[Piece], owner: Manifest | None) -> bool:
    return (owner is None or owner.deleted) and all(is_rebuildable(piece.key) for piece in pieces)
