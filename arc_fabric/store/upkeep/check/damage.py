"""What a check found wrong, and which checkpoints cannot be restored in full because of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from arc_fabric.store.format.manifest import TENSORS, Manifest, Piece, is_rebuildable, key_of

Kind = Literal["manifest", "version", "missing", "short", "header", "data", "attachment", "tree"]
_PieceKind = Literal["short", "data"]
Place = tuple[str, int, str]
"""Where a piece lies: checkpoint whose file it is, offset in bytes, digest."""


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
class _Piece:
    kind: _PieceKind
    piece: Piece
    what: str
    holders: set[str] = field(default_factory=set)


@dataclass
class _File:
    rebuildable: bool
    """All that anyone needs of it is KV."""
    holders: set[str] = field(default_factory=set)


class Damage:
    """Damaged pieces and missing files; `spread` says of each manifest whether it needs one of them."""

    def __init__(self) -> None:
        self._pieces: dict[Place, _Piece] = {}
        self._files: dict[str, _File] = {}

    def __bool__(self) -> bool:
        return bool(self._pieces or self._files)

    def piece(self, kind: _PieceKind, piece: Piece, what: str) -> None:
        """A piece whose bytes are not there or not what they were."""
        self._pieces.setdefault(place_of(piece), _Piece(kind, piece, what))

    def file(self, checkpoint_id: str, *, owned: bool) -> None:
        """A tensors file is not there; `owned`: its own checkpoint lives, and needs more of it than KV."""
        self._files.setdefault(checkpoint_id, _File(rebuildable=not owned))

    def spread(self, manifest: Manifest) -> None:
        """Note what this checkpoint has of it."""
        for checkpoint_id in self._files.keys() & manifest.references():
            self._files[checkpoint_id].holders.add(manifest.checkpoint_id)
        for piece in manifest.pieces():
            if piece.checkpoint in self._files:
                self._files[piece.checkpoint].rebuildable &= is_rebuildable(piece.key)
            if found := self._pieces.get(place_of(piece)):
                found.holders.add(manifest.checkpoint_id)

    def problems(self) -> Iterator[Problem]:
        """All of it, by object and place; what nobody needs (any more) is none."""
        for checkpoint_id, file in sorted(self._files.items()):
            if who := tuple(sorted(file.holders)):
                key = key_of(checkpoint_id, TENSORS)
                yield Problem("missing", key, "the file is not there", who, file.rebuildable)
        for place, found in sorted(self._pieces.items(), key=lambda item: item[0]):
            if (who := tuple(sorted(found.holders))) and place[0] not in self._files:
                yield _of_piece(found, who)


def place_of(piece: Piece) -> Place:
    """Where it lies."""
    return piece.checkpoint, piece.offset, piece.digest


def _of_piece(found: _Piece, who: tuple[str, ...]) -> Problem:
    piece = found.piece
    text = f"piece {piece.key} ({piece.length} bytes at {piece.offset}) {found.what}"
    return Problem(found.kind, key_of(piece.checkpoint, TENSORS), text, who, is_rebuildable(piece.key), piece.key)
