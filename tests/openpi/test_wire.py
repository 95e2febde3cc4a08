"""The encoding agrees with openpi-client's, both ways, and refuses what could do harm."""

from __future__ import annotations

import tracemalloc

import msgpack
import numpy as np
import pytest
from openpi_client import msgpack_numpy

from arc_fabric.errors import InvalidRequest
from arc_fabric.openpi.wire import pack, unpack

MESSAGE = {
    "image": np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
    "state": np.array([0.5, -1.0], np.float32),
    "flag": np.bool_(True),
    "count": np.int64(7),
    "nested": {"prompt": "pick", "empty": np.zeros((0, 3), np.float64)},
    "list": [1, 2.5, None],
}


def same(a: object, b: object) -> bool:
    """Equal, arrays with dtype and shape."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    return type(a) is type(b) and a == b


def test_both_ways() -> None:
    """Ours reads theirs, theirs reads ours, byte for byte the same message."""
    assert same(unpack(msgpack_numpy.packb(MESSAGE)), MESSAGE)
    assert same(msgpack_numpy.unpackb(pack(MESSAGE)), MESSAGE)
    assert pack(MESSAGE) == msgpack_numpy.packb(MESSAGE)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",
        b"",
        msgpack.packb({b"__ndarray__": True, b"data": b"12", b"dtype": "<f4", b"shape": [2]}),
        msgpack.packb({b"__ndarray__": True, b"data": b"12345678", b"dtype": "|O", b"shape": [1]}),
        msgpack.packb({b"__ndarray__": True, b"dtype": "<f4"}),
        msgpack.packb({b"__npgeneric__": True, b"data": 1, b"dtype": "nonsense"}),
        msgpack.packb({b"__npgeneric__": True, b"data": 1 << 63, b"dtype": "<i1"}),
        msgpack.packb({b"__ndarray__": True, b"data": b"", b"dtype": [["a", "<i4"]], b"shape": [0]}),
        msgpack.packb({b"__ndarray__": True, b"data": b"", b"dtype": "<f4", b"shape": {"a": 0}}),
        msgpack.packb({b"__ndarray__": True, b"data": b"123", b"dtype": "|u1", b"shape": [-1, -3]}),
        b"\x91" * 2000 + b"\x90",
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """With InvalidRequest, whatever it is."""
    with pytest.raises(InvalidRequest):
        unpack(data)


def shaped(*shape: object) -> bytes:
    """An empty array that says it has this shape."""
    return msgpack.packb({b"__ndarray__": True, b"data": b"", b"dtype": "|u1", b"shape": shape})


@pytest.mark.parametrize(
    "data",
    [
        shaped(1 << 27, "a"),  # a text as often as the number says
        shaped(*[(1 << 64) - 1] * 20_000),  # a product of a million bits
        b"\xdd\x00\x40\x00\x00" + b"\x90" * (4 << 20),
        b"\xdd\x00\x40\x00\x00" + b"\x01" * (4 << 20),
        b"\xdc\x00\x40" + (b"\xdc\xff\xff" + b"\x01" * 65_535) * 64,
        b"\xdc\x00\x40" + (b"\xdc\xff\xff" + b"\x80" * 65_535) * 64,
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_a_message_takes_little_more_memory_than_it_has_bytes(data: bytes) -> None:
    """Four million empty lists took 300 MB, a shape of a number and a text as many bytes as the number says."""
    tracemalloc.start()
    with pytest.raises(InvalidRequest):
        unpack(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000
