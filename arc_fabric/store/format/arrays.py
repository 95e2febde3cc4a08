"""Stored tensors as numpy arrays."""

from __future__ import annotations

import numpy as np

_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}


def to_numpy(dtype: str, shape: tuple[int, ...], data: bytes) -> np.ndarray:
    """Raw little-endian tensor bytes as numpy; BF16, which numpy lacks, becomes the equal float32."""
    if dtype == "BF16":
        bits = np.frombuffer(data, "<u2").astype("<u4") << 16
        return bits.view("<f4").reshape(shape)
    return np.frombuffer(data, _NUMPY[dtype]).reshape(shape)
