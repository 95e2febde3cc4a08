"""Cutting, digests, the zero test and the device fingerprint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_fabric.errors import InvalidRequest
from arc_fabric.store import TensorEntry
from arc_fabric.store.format.fingerprint import fingerprint
from arc_fabric.store.format.manifest import Piece
from arc_fabric.store.format.pieces import DTYPES, Cuts, cut, digest, dtype_name, is_zero, slabs


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_every_dtype_has_bytes(dtype: torch.dtype) -> None:
    """A cut of any dtype gives the bytes of its contiguous copy, and a fingerprint of them."""
    tensor = torch.randint(0, 2, (2, 1, 6, 4)).to(dtype)
    part = cut(tensor, 2, 1, 3)
    plain = part.contiguous().view(torch.uint8).numpy().tobytes()
    assert b"".join(slabs(part)) == plain
    assert digest(part) == blake3(plain).hexdigest()
    assert fingerprint(part) == fingerprint(part.contiguous())
    assert DTYPES[dtype_name(part)] is dtype


def test_a_cut_is_read_without_a_copy() -> None:
    """The slabs of a cut KV tensor share its memory: one per key / value and batch row."""
    tensor = torch.zeros(2, 1, 8, 2, 4)
    views = slabs(cut(tensor, 2, 4, 4))
    assert len(views) == 2
    views[0][0] = 1
    assert tensor.view(torch.uint8).any()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_bytes_of_any_cut(shape: list[int], data: st.DataObject) -> None:
    """Any shape, permutation and cut, empty ones included."""
    tensor = torch.arange(int(np.prod(shape)), dtype=torch.int16).reshape(shape)
    tensor = tensor.permute(data.draw(st.permutations(range(len(shape)))))
    axis = data.draw(st.integers(0, len(shape) - 1))
    start = data.draw(st.integers(0, tensor.shape[axis]))
    part = cut(tensor, axis, start, data.draw(st.integers(0, tensor.shape[axis] - start)))
    assert b"".join(slabs(part)) == part.contiguous().numpy().tobytes()
    assert fingerprint(part) == fingerprint(part.clone(memory_format=torch.contiguous_format))
    for some in (tensor, tensor.contiguous()):
        piece = Piece(part.shape[axis], part.nbytes, digest(part))
        assert Cuts(some, axis).match(start, piece.extent, piece)
        assert not Cuts(some, axis).match(start, piece.extent, replace(piece, digest=digest(part + 1) + "0"))
        if part.numel():
            assert not Cuts(some + 1, axis).match(start, piece.extent, piece)
        whole = Piece(1, tensor.nbytes, digest(tensor))
        assert Cuts(some, None).match(0, 1, whole) and Cuts(some, None).match(0, 1, Piece(1, 0, "")) == is_zero(some)


def test_a_cut_that_begins_within_a_word() -> None:
    """A cut of 2-byte numbers at an odd place has the fingerprint of its copy."""
    part = cut(torch.arange(6, dtype=torch.int16), 0, 1, 2)
    assert fingerprint(part) == fingerprint(part.clone())


def test_zero_means_every_bit() -> None:
    """A negative zero is not zero; neither is a last odd byte."""
    assert is_zero(torch.zeros(3, 5)) and is_zero(torch.zeros(0))
    assert not is_zero(torch.tensor([0.0, -0.0]))
    odd = torch.zeros(17, dtype=torch.uint8)
    odd[16] = 1
    assert not is_zero(odd)
    assert not is_zero(odd[1:])


def test_a_fingerprint_sees_every_bit_position() -> None:
    """Flipping any one bit of a word, also the highest, changes it; so does swapping words and rows."""
    base = torch.zeros(3 * 4096 + 5, dtype=torch.int32)
    seen = {fingerprint(base)}
    for at in (0, 4095, 4096, 3 * 4096 + 4):
        for bit in range(32):
            flipped = base.clone()
            flipped[at] = -(1 << 31) if bit == 31 else 1 << bit
            seen.add(fingerprint(flipped))
    assert len(seen) == 1 + 4 * 32


def test_fingerprints_do_not_change_between_releases() -> None:
    """They are stored: a fixed input has a fixed fingerprint, whatever the chunking."""
    assert fingerprint(torch.arange(100_000, dtype=torch.int32)) == FIXED
    assert fingerprint(torch.arange(100_000, dtype=torch.int32).view(torch.uint8)) == FIXED


FIXED = "bfecea0903d27a552f51f1eaf85f19bd"


@given(st.binary(min_size=0, max_size=70), st.binary(min_size=0, max_size=70))
@settings(max_examples=200, deadline=None)
def test_equal_fingerprints_mean_equal_bytes(a: bytes, b: bytes) -> None:
    """Of equal length: fingerprints are equal exactly when the bytes are."""
    b = b[: len(a)].ljust(len(a), b"\0")
    tensors = [torch.tensor(list(data), dtype=torch.uint8) for data in (a, b)]
    assert (fingerprint(tensors[0]) == fingerprint(tensors[1])) == (a == b)


def test_entries_refuse_what_cannot_be_cut() -> None:
    """A length that is not whole latent frames, an axis that is not there, a name that cannot be a key."""
    tensor = torch.zeros(2, 1, 7, 2)
    for make in (
        lambda: TensorEntry("kv", tensor, 2, 4),
        lambda: TensorEntry("kv", tensor, 4, 1),
        lambda: TensorEntry("", tensor),
        lambda: TensorEntry("a@1", tensor),
    ):
        with pytest.raises(InvalidRequest):
            make()
