"""What upkeep must know of a manifest: whose files it needs, and about its KV. A hundred bytes instead of ten thousand.

>>> facts = facts_of(Manifest("ckp_a", None, 1.5, {}, {}))
>>> facts.needs, Facts.from_json(facts.to_json()) == facts
(('ckp_a',), True)
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from hashlib import blake2b
from typing import Any

from arc_fabric.store.format.manifest import Manifest, Piece, canonical, digest_of, is_rebuildable


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one manifest."""

    deleted: bool
    created: float
    model: str
    """`model_mark` of the model that made it."""
    needs: tuple[str, ...]
    """The checkpoints whose files it needs, itself included when it has a file."""
    kv_homes: tuple[str, ...]
    """Those in whose files its KV lies, if all of its KV is stored."""
    kv_own: int
    """Bytes of KV in its own file."""
    kv_dropped: bool
    """The KV was taken out of its file after it was stored."""
    length: int
    """What its file's length should be."""

    def to_json(self) -> list[Any]:
        """The JSON list that stands for it in the index."""
        return list(astuple(self))

    @classmethod
    def from_json(cls, body: list[Any]) -> Facts:
        """Inverse of `to_json`."""
        deleted, created, model, needs, homes, own, dropped, length = body
        return cls(deleted, created, model, tuple(needs), tuple(homes), own, dropped, length)


def facts_of(manifest: Manifest) -> Facts:
    """Its facts."""
    kv = [p for record in manifest.tensors.values() if is_rebuildable(record.name) for p in record.pieces]
    whole = all(piece.stored for piece in kv)
    return Facts(
        deleted=manifest.deleted,
        created=manifest.created,
        model=model_mark(manifest.meta.get("identity")),
        needs=tuple(sorted(manifest.references())),
        kv_homes=_homes(kv) if whole else (),
        kv_own=sum(piece.length for _, piece in manifest.own_parts() if is_rebuildable(piece.key)),
        kv_dropped=manifest.kv_dropped,
        length=int(manifest.file.get("length", 0)),
    )


def model_mark(identity: Any) -> str:
    """16 hex digits that stand for a model's identity (JSON-safe); empty for none."""
    return "" if identity is None else digest_of(canonical(identity))[:16]


class Names:
    """A set of ids that knows only 8 bytes of each. It may take a stranger for a member, once in 2^64 over its size:
    use it where that keeps too much, never where it deletes.

    >>> names = Names()
    >>> names.add("ckp_a")
    >>> "ckp_a" in names, "ckp_b" in names, len(names)
    (True, False, 1)
    """

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, name: str) -> None:
        """Put an id in."""
        self._hashes.add(_hash(name))

    def __contains__(self, name: str) -> bool:
        return _hash(name) in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)


def _homes(kv: list[Piece]) -> tuple[str, ...]:
    return tuple(sorted({piece.checkpoint for piece in kv if piece.checkpoint}))


def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
