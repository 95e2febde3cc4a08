"""What of a tensor is new: compares it with its parent's pieces where it lives, and cuts off the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.manifest import Piece, TensorRecord
from arc_fabric.store.format.pieces import Cuts, PieceIndex, cut
from arc_fabric.store.format.signature import Form

_MOST_UNITS = 4096
"""A rest of more units is not searched: one look for each would cost more than its bytes."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of one tensor: a known piece, or (`piece` None) new bytes to be stored."""

    entry: TensorEntry
    start: int
    extent: int
    piece: Piece | None

    @property
    def view(self) -> torch.Tensor:
        """The stretch's elements."""
        return cut(self.entry.tensor, self.entry.axis, self.start, self.extent)

    @property
    def key(self) -> str:
        """The piece's name in a safetensors file: `kv_cache1/07@880` starts at token 880."""
        return self.entry.name if self.entry.axis is None else f"{self.entry.name}@{self.start}"


def stretches(entry: TensorEntry, parent: TensorRecord | None, *, want_bytes: bool) -> Iterator[Stretch]:
    """Cut a tensor into pieces that its parent has, and what is new.

    A tensor that extends its parent has the parent's pieces at their places, then one that is new. Where a piece does
    not match, the parent's are looked for at every unit: at their old places (a ring that was written) and at others (a
    cache that rolled); what is new is cut into single units then, which still match when they roll on.

    With `want_bytes`, a matching piece whose bytes a light snapshot dropped is stored after all.
    """
    form, at = entry.form, 0
    if parent is None or not form.fits(Form.of(parent)):
        yield from _new(entry, 0, form.length)
        return
    cuts = Cuts(entry.tensor, entry.axis)
    for piece in parent.pieces:
        if at + piece.extent > form.length or not cuts.match(at, piece.extent, piece):
            break
        yield _known(entry, at, piece, want_bytes=want_bytes)
        at += piece.extent
    else:
        yield from _new(entry, at, form.length)
        return
    yield from _scattered(entry, at, parent, want_bytes=want_bytes)


def _scattered(entry: TensorEntry, at: int, parent: TensorRecord, *, want_bytes: bool) -> Iterator[Stretch]:
    """The parent's pieces wherever they are in the rest of the tensor; single units between them."""
    length, unit = entry.form.length, entry.unit
    if entry.axis is None or (length - at) // unit > _MOST_UNITS:
        yield from _new(entry, at, length)
        return
    index = PieceIndex(entry.tensor, entry.axis, parent.pieces)
    while at < length:
        piece = index.find(at)
        yield Stretch(entry, at, unit, None) if piece is None else _known(entry, at, piece, want_bytes=want_bytes)
        at += unit if piece is None else piece.extent


def _known(entry: TensorEntry, at: int, piece: Piece, *, want_bytes: bool) -> Stretch:
    return Stretch(entry, at, piece.extent, piece if piece.stored or not want_bytes else None)


def _new(entry: TensorEntry, at: int, length: int) -> Iterator[Stretch]:
    step = entry.unit if entry.rolls else length - at
    yield from (Stretch(entry, start, step, None) for start in range(at, length, step or 1))


def expected_new(entry: TensorEntry, parent: Form | None) -> int:
    """Bytes a tensor probably adds, from forms alone: a longer tensor extends its parent, one that is as long has
    rolled by what the step wrote (`entry.fresh`), another whole one is new."""
    form = entry.form
    if parent is None or entry.axis is None or not form.fits(parent) or form.length < parent.length:
        return entry.nbytes
    fresh = form.length - parent.length or min(entry.fresh, form.length) or form.length
    return entry.nbytes * fresh // form.length if form.length else 0
