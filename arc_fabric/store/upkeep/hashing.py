"""What stored objects must hold, checked while their bytes go by: nothing is read twice, nothing is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from blake3 import blake3

from arc_fabric.errors import DamagedSnapshot
from arc_fabric.store.format.manifest import TENSORS, Manifest, Piece, is_rebuildable, key_of

_REBUILDABLE = "Run 'arc-fabric fsck --repair': it rebuilds this KV from latents and puts it back. Then try again."
_LOST = (
    "Latents, conditioning and pictures cannot be made again: 'arc-fabric fsck --read-data' lists the checkpoints that "
    "need this; leave them out, or put the object back from a backup."
)


@dataclass(frozen=True)
class Part:
    """A stretch of an object with the digest it must have."""

    offset: int
    length: int
    digest: str
    name: str
    """For people: `piece kv_cache1/00@4`."""
    piece: str = ""


class PartCheck:
    """Fed one object's bytes in order; every part is digested on the way.

    >>> check = PartCheck("checkpoints/c/f.png", [Part(0, 4, digest_of(b"wxyz"), "its content")])   # doctest: +SKIP
    >>> check.feed(b"wx"); check.feed(b"yz"); check.finish()                                        # doctest: +SKIP
    """

    def __init__(self, key: str, parts: Iterable[Part]) -> None:
        self._key = key
        self._waiting = sorted(parts, key=lambda part: part.offset, reverse=True)
        self._open: list[tuple[Part, blake3]] = []
        self._at = 0

    def feed(self, data: bytes | memoryview) -> None:
        """The next bytes. Raises DamagedSnapshot at the end of a part that is not what it was."""
        view, end = memoryview(data), self._at + len(data)
        while self._waiting and self._waiting[-1].offset < end:
            self._open.append((self._waiting.pop(), blake3()))
        still: list[tuple[Part, blake3]] = []
        for part, hasher in self._open:
            hasher.update(view[max(0, part.offset - self._at) : max(0, part.offset + part.length - self._at)])
            if part.offset + part.length > end:
                still.append((part, hasher))
            elif hasher.hexdigest() != part.digest:
                raise self._damaged(part, "does not match its digest")
        self._open, self._at = still, end

    def finish(self) -> None:
        """The object has ended. Raises DamagedSnapshot when a part has not."""
        unfinished = [part for part, _ in self._open] + self._waiting[::-1]
        for part in unfinished:
            if part.length or part.offset > self._at:
                raise self._damaged(part, "is cut off: the object ends before it does")

    def _damaged(self, part: Part, what: str) -> DamagedSnapshot:
        return DamagedSnapshot(
            f"{self._key}: {part.name} ({part.length} bytes at {part.offset}) {what}.",
            hint=_REBUILDABLE if is_rebuildable(part.piece) else _LOST,
            checkpoint_id=self._key.split("/")[1],
            object=self._key,
            piece=part.piece,
        )


def parts_of(manifests: Iterable[Manifest], owner: Callable[[str], Manifest | None]) -> dict[str, list[Part]]:
    """Per object that these live manifests refer to, what must be in it; KV that has left storage need not be.

    `owner` gives the manifest of a checkpoint whose file they share, if there is one. The header of a file is no part:
    pieces are found without it.
    """
    manifests = list(manifests)
    found: dict[str, list[Part]] = {}
    pieces = _pieces_by_owner(manifests)
    for checkpoint_id in sorted({i for manifest in manifests for i in manifest.references()}):
        holder = owner(checkpoint_id)
        wanted = pieces.get(checkpoint_id, {}) | (_pieces_by_owner([holder]).get(checkpoint_id, {}) if holder else {})
        light = holder is not None and holder.kv_dropped
        parts = [_part(piece) for piece in wanted.values() if not (light and is_rebuildable(piece.key))]
        found[key_of(checkpoint_id, TENSORS)] = parts
    for manifest in manifests:
        for name, facts in manifest.attachments.items():
            whole = Part(0, facts["length"], facts["digest"], "its content")
            found[key_of(manifest.checkpoint_id, name)] = [whole]
    return found


def _pieces_by_owner(manifests: Iterable[Manifest]) -> Mapping[str, dict[tuple[int, str], Piece]]:
    found: dict[str, dict[tuple[int, str], Piece]] = defaultdict(dict)
    for manifest in manifests:
        for piece in manifest.pieces():
            if piece.checkpoint:
                found[piece.checkpoint][piece.offset, piece.digest] = piece
    return found


def _part(piece: Piece) -> Part:
    return Part(piece.offset, piece.length, piece.digest, f"piece {piece.key}", piece.key)
