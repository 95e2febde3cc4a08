"""What of a tensor is new: compares it with its parent's pieces where it lives, and cuts off the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.manifest import Piece, TensorRecord
from arc_fabric.store.format.pieces import Cuts, cut
from arc_fabric.store.format.signature import Form


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
    """Cut a tensor into its parent's pieces as far as they match, then the rest.

    With `want_bytes`, a matching piece whose bytes a light snapshot dropped is stored after all.
    """
    form, at = entry.form, 0
    length = form.length
    if parent is not None and form.fits(Form.of(parent)):
        cuts = Cuts(entry.tensor, entry.axis)
        for piece in parent.pieces:
            if at + piece.extent > length or not cuts.match(at, piece.extent, piece):
                break
            known = piece.stored or not want_bytes
            yield Stretch(entry, at, piece.extent, piece if known else None)
            at += piece.extent
    if at < length:
        yield Stretch(entry, at, length - at, None)


def expected_new(entry: TensorEntry, parent: Form | None) -> int:
    """Bytes a tensor probably adds, from forms alone: a longer tensor extends its parent, another whole one is new."""
    form = entry.form
    if parent is None or entry.axis is None or not form.fits(parent) or form.length < parent.length:
        return entry.nbytes
    return entry.nbytes * (form.length - parent.length) // form.length if form.length else 0
