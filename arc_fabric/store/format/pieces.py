"""Tensors as bytes: safetensors dtypes, byte views, cutting, digests, the zero test."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from blake3 import blake3

from arc_fabric.errors import InvalidRequest
from arc_fabric.store.format.fingerprint import fingerprint
from arc_fabric.store.format.manifest import Piece

DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_MANY_SLABS = 4096


def dtype_name(tensor: torch.Tensor) -> str:
    """The safetensors name of a tensor's dtype."""
    try:
        return _NAMES[tensor.dtype]
    except KeyError:
        raise InvalidRequest(f"A snapshot cannot hold tensors of dtype {tensor.dtype}.") from None


def cut(tensor: torch.Tensor, axis: int | None, start: int, extent: int) -> torch.Tensor:
    """The view of one piece."""
    return tensor if axis is None else tensor.narrow(axis, start, extent)


def byte_view(tensor: torch.Tensor) -> memoryview:
    """The bytes of a contiguous CPU tensor, without a copy; writable."""
    flat = tensor.detach().as_strided((tensor.numel(),), (1,))  # axes of length 1 may have any stride
    return flat.view(torch.uint8).numpy().data


def slabs(tensor: torch.Tensor) -> list[memoryview]:
    """The bytes of a CPU tensor in C order as contiguous stretches, without a copy for cuts of contiguous tensors."""
    lead = 0
    count = 1
    while lead < tensor.dim() and not tensor[(0,) * lead].is_contiguous():
        count *= tensor.shape[lead]
        lead += 1
    if count > _MANY_SLABS:
        return [byte_view(tensor.contiguous())]
    rows = [tensor]
    for _ in range(lead):
        rows = [row for outer in rows for row in outer.unbind(0)]
    return [byte_view(row) for row in rows]


class Cuts:
    """Compares and digests cuts of one tensor along one axis; asks torch for views only where it must.

    A snapshot has hundreds of known pieces, and half a dozen torch calls for each would cost more than their digests.
    """

    def __init__(self, tensor: torch.Tensor, axis: int | None) -> None:
        self._tensor, self._axis = tensor, axis
        self._bytes: memoryview | None = None
        if tensor.device.type != "cpu" or not tensor.is_contiguous() or not tensor.numel():
            return
        lead = 0 if axis is None else axis
        self._outer = math.prod(tensor.shape[:lead])
        self._row = tensor.numel() * tensor.element_size() // self._outer
        self._step = self._row if axis is None else self._row // tensor.shape[axis]
        if self._outer <= _MANY_SLABS:
            self._bytes = byte_view(tensor)

    def match(self, start: int, extent: int, piece: Piece) -> bool:
        """Whether the cut from `start` on holds the piece's bytes."""
        if self._bytes is None or piece.zero:
            return matches(cut(self._tensor, self._axis, start, extent), piece)
        hasher = blake3()
        for at in range(0, self._outer * self._row, self._row):
            hasher.update(self._bytes[at + start * self._step : at + (start + extent) * self._step])
        return hasher.hexdigest() == piece.digest


class PieceIndex:
    """Finds pieces in a tensor, wherever they lie along its axis."""

    def __init__(self, tensor: torch.Tensor, axis: int, pieces: Iterable[Piece]) -> None:
        self._tensor, self._axis = tensor, axis
        self._by_mark = on_accelerator(tensor) and all(piece.fingerprint or piece.zero for piece in pieces)
        self._known: dict[tuple[int, str], Piece] = {}
        for piece in pieces:
            mark = piece.fingerprint if self._by_mark else piece.digest
            self._known.setdefault((piece.extent, "" if piece.zero else mark), piece)
        self._extents = sorted({extent for extent, _ in self._known}, reverse=True)

    def find(self, at: int) -> Piece | None:
        """The longest piece whose bytes lie at this place."""
        for extent in self._extents:
            if at + extent <= self._tensor.shape[self._axis]:
                found = self._known.get((extent, self._mark(cut(self._tensor, self._axis, at, extent), extent)))
                if found is not None:
                    return found
        return None

    def _mark(self, view: torch.Tensor, extent: int) -> str:
        if (extent, "") in self._known and is_zero(view):
            return ""
        return fingerprint(view) if self._by_mark else digest(view.cpu())


def digest(tensor: torch.Tensor) -> str:
    """BLAKE3 of a CPU tensor's bytes in C order, hex."""
    hasher = blake3()
    for slab in slabs(tensor):
        hasher.update(slab)
    return hasher.hexdigest()


def is_zero(tensor: torch.Tensor) -> bool:
    """Whether every byte is zero (a negative zero is not)."""
    if not tensor.numel():
        return True
    probe = tensor[(0,) * tensor.dim()].reshape(1).view(torch.uint8)
    return not bool(probe.any()) and not any(_any_bit(row) for row in _contiguous_rows(tensor))


def matches(tensor: torch.Tensor, piece: Piece) -> bool:
    """Whether a tensor of the piece's shape holds the piece's bytes, by the cheapest proof where it lives."""
    if piece.zero:
        return is_zero(tensor)
    if on_accelerator(tensor) and piece.fingerprint:
        return fingerprint(tensor) == piece.fingerprint
    return digest(tensor.cpu()) == piece.digest


def on_accelerator(tensor: torch.Tensor) -> bool:
    """Whether fingerprints are taken of this tensor; on a CPU the digest itself is cheaper."""
    return tensor.device.type != "cpu"


def _contiguous_rows(tensor: torch.Tensor) -> list[torch.Tensor]:
    if tensor.device.type != "cpu":
        return [tensor.contiguous().reshape(-1).view(torch.uint8)]
    return [torch.frombuffer(slab, dtype=torch.uint8) for slab in slabs(tensor)]


def _any_bit(row: torch.Tensor) -> bool:
    whole = row.numel() // 8 * 8
    head = row[:whole]
    words = head.view(torch.int64) if head.data_ptr() % 8 == 0 else head
    return bool(words.any()) or bool(row[whole:].any())
