"""Stored tensors as numpy arrays."""

from __future__ import annotations

import numpy as np

from arc_fabric.errors import InvalidRequest

_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1",
}  # fmt: skip


def to_numpy(dtype: str, shape: tuple[int, ...], data: bytes) -> np.ndarray:
    """Raw little-endian tensor bytes as numpy; BF16, which numpy lacks, becomes the equal float32. Raises
    InvalidRequest for what numpy has no equal of."""
    if dtype == "BF16":
        bits = np.frombuffer(data, "<u2").astype("<u4") << 16
        return bits.view("<f4").reshape(shape)
    if dtype not in _NUMPY:
        raise InvalidRequest(f"numpy has nothing equal to {dtype}.", hint="Ask for safetensors (format=safetensors).")
    return np.frombuffer(data, _NUMPY[dtype]).reshape(shape)
