"""What of a tensor is new: compares it with its parent's pieces where it lives, and cuts off the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from arc_fabric.store.entry import TensorEntry
from arc_fabric.store.manifest import Piece, TensorRecord
from arc_fabric.store.pieces import Cuts, cut, dtype_name


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
        """Its name in a safetensors file: `kv_cache1/07@880` starts at token 880."""
        return self.entry.name if self.entry.axis is None else f"{self.entry.name}@{self.start}"


@dataclass(frozen=True)
class Form:
    """What of a tensor decides whether another could share pieces with it."""

    dtype: str
    shape: tuple[int, ...]
    axis: int | None
    unit: int

    @classmethod
    def of(cls, thing: TensorEntry | TensorRecord) -> Form:
        """The form of a tensor at hand or of a recorded one."""
        if isinstance(thing, TensorRecord):
            return cls(thing.dtype, thing.shape, thing.axis, thing.unit)
        return cls(dtype_name(thing.tensor), tuple(thing.tensor.shape), thing.axis, thing.unit)

    @property
    def length(self) -> int:
        """Indices on the append axis; 1 for a whole tensor."""
        return 1 if self.axis is None else self.shape[self.axis]

    def fits(self, other: Form) -> bool:
        """Equal but for the length of the append axis."""
        if (self.dtype, self.axis, self.unit) != (other.dtype, other.axis, other.unit):
            return False
        return len(self.shape) == len(other.shape) and all(
            a == b for i, (a, b) in enumerate(zip(self.shape, other.shape, strict=True)) if i != self.axis
        )


def stretches(entry: TensorEntry, parent: TensorRecord | None, *, want_bytes: bool) -> Iterator[Stretch]:
    """Cut a tensor into its parent's pieces as far as they match, then the rest.

    With `want_bytes`, a matching piece whose bytes a light snapshot dropped is stored after all.
    """
    form, at = Form.of(entry), 0
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
    form = Form.of(entry)
    if parent is None or entry.axis is None or not form.fits(parent) or form.length < parent.length:
        return entry.nbytes
    return entry.nbytes * (form.length - parent.length) // form.length if form.length else 0
