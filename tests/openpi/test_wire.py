"""The encoding agrees with openpi-client's, both ways, and refuses what could do harm."""

from __future__ import annotations

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
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """With InvalidRequest, whatever it is."""
    with pytest.raises(InvalidRequest):
        unpack(data)
