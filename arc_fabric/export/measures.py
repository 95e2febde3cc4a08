"""Statistics of a LeRobot dataset: per episode, and of all by combining those, as lerobot does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
MOST_PICTURES = 100
"""Frames of an episode that its picture statistics look at."""
Stats = dict[str, np.ndarray]


def of_rows(values: np.ndarray) -> Stats:
    """Of values [rows, ...], over the rows; a column of numbers counts as [rows, 1]."""
    rows = values if values.ndim > 1 else values[:, None]
    found = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0, np.float64), "std": rows.std(0, np.float64)}
    found |= {name: np.quantile(rows.astype(np.float64), q, axis=0) for name, q in QUANTILES.items()}
    return found | {"count": np.array([len(rows)])}


def of_pictures(frames: Sequence[np.ndarray]) -> Stats:
    """Of frames uint8 [H, W, 3], per channel, in 0..1: [3, 1, 1]."""
    pixels = np.stack(frames).reshape(-1, 3).astype(np.float64) / 255
    found = {name: value.reshape(3, 1, 1) for name, value in of_rows(pixels).items() if name != "count"}
    return found | {"count": np.array([len(frames)])}


def combined(parts: Sequence[Stats]) -> Stats:
    """Of all from the parts: means and quantiles weighted by count, variances with that of the means (Chan, 1979)."""
    counts = np.array([part["count"][0] for part in parts], np.float64)

    def weighted(name: str) -> np.ndarray:
        return np.asarray(np.average(np.stack([part[name] for part in parts]), axis=0, weights=counts))

    mean = weighted("mean")
    spread = np.stack([part["std"] ** 2 + (part["mean"] - mean) ** 2 for part in parts])
    found = {
        "min": np.min([part["min"] for part in parts], axis=0), "max": np.max([part["max"] for part in parts], axis=0),
        "mean": mean, "std": np.sqrt(np.average(spread, axis=0, weights=counts)),
        "count": np.array([int(counts.sum())]),
    }  # fmt: skip
    return found | {name: weighted(name) for name in QUANTILES}


def plain(stats: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """As JSON has it."""
    return {name: value.tolist() for name, value in stats.items()}
