"""What of a tensor is new: compares it with its parent's pieces where it lives, and cuts off the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from arc_fabric.store.entry import TensorEntry
from arc_fabric.store.manifest import Piece, TensorRecord
from arc_fabric.store.pieces import cut, dtype_name, matches


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


def same_form(entry: TensorEntry, record: TensorRecord) -> bool:
    """Whether a tensor could share pieces with a recorded one."""
    shape = tuple(entry.tensor.shape)
    if (dtype_name(entry.tensor), entry.axis, entry.unit) != (record.dtype, record.axis, record.unit):
        return False
    if entry.axis is None:
        return shape == record.shape
    drop = entry.axis
    return shape[:drop] + shape[drop + 1 :] == record.shape[:drop] + record.shape[drop + 1 :]


def stretches(entry: TensorEntry, parent: TensorRecord | None, *, want_bytes: bool) -> Iterator[Stretch]:
    """Cut a tensor into its parent's pieces as far as they match, then the rest.

    With `want_bytes`, a matching piece whose bytes a light snapshot dropped is stored after all.
    """
    length = 1 if entry.axis is None else entry.tensor.shape[entry.axis]
    at = 0
    if parent is not None and same_form(entry, parent):
        for piece in parent.pieces:
            if at + piece.extent > length or not matches(cut(entry.tensor, entry.axis, at, piece.extent), piece):
                break
            known = piece.stored or not want_bytes
            yield Stretch(entry, at, piece.extent, piece if known else None)
            at += piece.extent
    if at < length:
        yield Stretch(entry, at, length - at, None)


def expected_new(entry: TensorEntry, parent: TensorRecord | None) -> int:
    """Bytes a tensor probably adds, from its form alone: a longer tensor extends its parent."""
    if parent is None or entry.axis is None or not same_form(entry, parent):
        return entry.nbytes
    length, known = entry.tensor.shape[entry.axis], parent.shape[entry.axis]
    return entry.nbytes * (length - known) // length if length >= known and length else entry.nbytes
