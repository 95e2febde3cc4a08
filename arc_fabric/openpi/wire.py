"""MessagePack with numpy arrays, as openpi-client writes and reads it.

An array is a map of the byte keys `__ndarray__`, `data`, `dtype`, `shape`; a numpy scalar one of
`__npgeneric__`, `data`, `dtype`. Only plain booleans, numbers and strings are taken: nothing that is received
can run code.

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


def pack(value: Any) -> bytes:
    """Encode a message."""
    packed: bytes = msgpack.packb(value, default=_pack_numpy)
    return packed


def unpack(data: bytes) -> Any:
    """Decode a message. Raises InvalidRequest when it is not one."""
    try:
        return msgpack.unpackb(data, object_hook=_unpack_numpy)
    except InvalidRequest:
        raise
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise InvalidRequest(f"The message is not msgpack with numpy arrays: {error}.") from error


def _pack_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _unpack_numpy(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        dtype, shape = _plain(value[b"dtype"]), tuple(value[b"shape"])
        if prod(shape) * dtype.itemsize != len(value[b"data"]):
            raise InvalidRequest(f"An array of shape {list(shape)} and dtype {dtype} came with other bytes.")
        return np.frombuffer(value[b"data"], dtype).reshape(shape)
    if b"__npgeneric__" in value:
        return _plain(value[b"dtype"]).type(value[b"data"])
    return value


def _plain(text: str) -> np.dtype[Any]:
    dtype = np.dtype(text)
    if dtype.kind not in _KINDS:
        raise InvalidRequest(f"Arrays of dtype {text} are not accepted.")
    return dtype
