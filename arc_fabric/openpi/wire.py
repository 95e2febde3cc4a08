"""MessagePack with numpy arrays, as openpi-client writes and reads it.

An array is a map of the byte keys `__ndarray__`, `data`, `dtype`, `shape`; a numpy scalar one of
`__npgeneric__`, `data`, `dtype`. Only plain booleans, numbers and strings are taken: nothing that is received
can run code, or takes much more memory than it has bytes.

>>> unpack(pack({"actions": np.arange(3, dtype=np.float32)}))["actions"]
array([0., 1., 2.], dtype=float32)
"""

from __future__ import annotations

from math import prod
from typing import Any

import msgpack
import numpy as np

from arc_fabric.errors import InvalidRequest

_KINDS = "biufUS"
MOST_VALUES = 1 << 20
"""Of all lists and maps of a message: a number of one byte takes eight in a list, an empty list seventy."""
_MOST_AXES, _LONGEST_DTYPE = 32, 32


def pack(value: Any) -> bytes:
    """Encode a message."""
    packed: bytes = msgpack.packb(value, default=_pack_numpy)
    return packed


def unpack(data: bytes) -> Any:
    """Decode a message. Raises InvalidRequest when it is not one."""
    count = _Count()
    try:
        return msgpack.unpackb(
            data, object_hook=lambda value: _unpack_numpy(count.of(value)), list_hook=count.of,
            max_array_len=MOST_VALUES, max_map_len=MOST_VALUES,
        )  # fmt: skip
    except InvalidRequest:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, msgpack.UnpackException) as error:
        raise InvalidRequest(f"The message is not msgpack with numpy arrays: {error}.") from error


class _Count:
    """How many values the lists and maps of a message have. Raises InvalidRequest where they are too many."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def of(self, value: Any) -> Any:
        """The list or map itself, counted."""
        self._left -= 1 + len(value)
        if self._left < 0:
            raise InvalidRequest(
                f"The message has more than {MOST_VALUES} values in lists.", hint="Send pictures as numpy arrays."
            )
        return value


def _pack_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _unpack_numpy(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        dtype, shape = _plain(value[b"dtype"]), _shape(value[b"shape"])
        if prod(shape) * dtype.itemsize != len(value[b"data"]):
            raise InvalidRequest(f"An array of shape {list(shape)} and dtype {dtype} came with other bytes.")
        return np.frombuffer(value[b"data"], dtype).reshape(shape)
    if b"__npgeneric__" in value:
        return _plain(value[b"dtype"]).type(value[b"data"])
    return value


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in value):
        raise InvalidRequest(f"An array's shape is a list of at most {_MOST_AXES} numbers.")
    return tuple(value)


def _plain(text: Any) -> np.dtype[Any]:
    if not isinstance(text, str) or len(text) > _LONGEST_DTYPE:
        raise InvalidRequest("A dtype is a short text.")
    dtype = np.dtype(text)
    if dtype.kind not in _KINDS:
        raise InvalidRequest(f"Arrays of dtype {text} are not accepted.")
    return dtype
