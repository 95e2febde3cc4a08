"""How far branches are apart, step by step: plain numpy on what was stored.

>>> import numpy as np
>>> same_bits(np.zeros(3), -np.zeros(3))
False
>>> rms(np.array([3.0, 4.0]), np.zeros(2)) == np.sqrt(12.5)
np.True_
"""

from __future__ import annotations

import numpy as np


def rms(a: np.ndarray, b: np.ndarray) -> float:
    """Root of the mean squared difference, in float64; NaN-free for finite input of equal shape."""
    _same_shape(a, b)
    difference = a.astype(np.float64) - b.astype(np.float64)
    return float(np.sqrt(np.mean(difference * difference)))


def mean_abs(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two uint8 images: 0 (equal) to 255."""
    _same_shape(a, b)
    return float(np.mean(np.abs(a.astype(np.int16) - b.astype(np.int16))))


def frame_distances(a: np.ndarray, b: np.ndarray) -> list[float]:
    """`mean_abs` per frame of two uint8 [F, H, W, 3] clips, as far as both go."""
    return [mean_abs(x, y) for x, y in zip(a, b, strict=False)]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Bit-for-bit equality (so that NaN equals itself and 0.0 differs from -0.0)."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} cannot be compared")
