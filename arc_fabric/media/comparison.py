"""Where branches part and how far, from lineages, latents, frames and actions: `World.compare` and GET /api/compare.

>>> divergence = world.compare(trunk, fork)                                                       # doctest: +SKIP
>>> divergence.parts_at, divergence.latent_distances, divergence.frame_distances                  # doctest: +SKIP
(4, [0.71, 0.94], [3.1, 4.0, ...])
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from arc_fabric.base.frames import frame_count
from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, FrameNotFound
from arc_fabric.media import series

LATENTS, FRAMES = "latents", "frames"
READERS = 6
Series = list[float | None]


class Ancestor(Protocol):
    """A node of a lineage; its members are those of a tree's node."""

    @property
    def id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def frame_index(self) -> int: ...
    @property
    def n_frames(self) -> int: ...
    @property
    def actions(self) -> Sequence[Sequence[float]] | np.ndarray | None: ...
    @property
    def prompt(self) -> str: ...
    @property
    def seed(self) -> int | None: ...


Path = Sequence[Ancestor]


class Branches(Protocol):
    """Where lineages and what their steps added are read. `frames` and `latents_array` are called from several threads;
    they raise CheckpointUnavailable or DamagedSnapshot for what is not to be had."""

    def lineage(self, checkpoint_id: str) -> Path:
        """The path root..checkpoint."""

    def frames(self, checkpoint_id: str) -> np.ndarray:
        """Its step's video frames, uint8 [F, H, W, 3]."""

    def latents_array(self, checkpoint_id: str) -> np.ndarray:
        """Its step's latents, [B, K, C, h, w]."""


@dataclass(repr=False)
class Comparison:
    """Where two to eight branches part, and how far. Keys of `series[kind]` and `equal` are 'a|b', checkpoint ids of a
    pair; a series begins at the step (video frame) at which the branches no longer share a checkpoint."""

    nodes: list[dict[str, Any]]
    """The branches' ends: id, session_id, frame_index, prompt, seed."""
    common_ancestor: str | None
    common_frame_index: int | None
    fork_step: int | None
    first_differing_frame_index: int | None
    first_differing_video_frame: int | None
    series: dict[str, dict[str, Series]]
    equal: dict[str, bool]
    """Whether a pair's latents are equal, bit for bit, as far as both go."""
    series_start: dict[str, int] = field(default_factory=dict)
    steps_compared: int = 0
    truncated: bool = False

    @property
    def parts_at(self) -> int | None:
        """The first step whose latents differ, counted from the root; None where all that was compared is equal."""
        return self.first_differing_frame_index

    @property
    def latent_distances(self) -> Series:
        """RMS distance per step of the first pair; 0.0 only for equal bits, None where a payload was not to be had."""
        return self._first_pair("latent")

    @property
    def frame_distances(self) -> Series:
        """Mean absolute distance, 0 to 255, per video frame of the first pair."""
        return self._first_pair("pixel")

    @property
    def action_distances(self) -> Series:
        """RMS distance of the actions per step of the first pair."""
        return self._first_pair("action")

    def _first_pair(self, kind: str) -> Series:
        return next(iter(self.series[kind].values()), [])

    def __repr__(self) -> str:
        where = "equal" if self.parts_at is None else f"part at step {self.parts_at}"
        apart = "".join(f", latents {d:.3g} apart at the end" for d in self.latent_distances[-1:] if d is not None)
        return f"<Comparison of {len(self.nodes)} branches: {where}, {self.steps_compared} steps compared{apart}>"


def compare(branches: Branches, ids: Sequence[str], *, limit: int) -> dict[str, Any]:
    """Compare the branches that end at these checkpoints (one named twice counts once), over at most `limit` steps
    after they part. The answer has the members of `Comparison`."""
    ids = list(dict.fromkeys(ids))
    paths = [branches.lineage(checkpoint_id) for checkpoint_id in ids]
    shared = _shared(paths)
    tails = [path[shared:][:limit] for path in paths]
    _load_ahead(branches, tails)
    ancestor = paths[0][shared - 1] if shared else None
    first_frame = frame_count(ancestor.frame_index, ancestor.n_frames) if ancestor else 0
    pairs = {f"{ids[i]}|{ids[j]}": (tails[i], tails[j]) for i, j in combinations(range(len(ids)), 2)}
    apart = {key: _apart(branches, *pair) for key, pair in pairs.items()}
    latent = {key: [distance if of == LATENTS else None for distance, of in found] for key, found in apart.items()}
    steps = {key: [distance for distance, _ in found] for key, found in apart.items()}
    pixel = {key: _pixels(branches, *pair) for key, pair in pairs.items()}
    differing = [step for distances in steps.values() if (step := _first(distances)) is not None]
    start = ancestor.frame_index + 1 if ancestor else 0
    seen = [frame for distances in pixel.values() if (frame := _first(distances)) is not None]
    return {
        "nodes": [_node(path[-1]) for path in paths],
        "common_ancestor": ancestor.id if ancestor else None,
        "common_frame_index": ancestor.frame_index if ancestor else None,
        "fork_step": start if any(tails) else None,
        "first_differing_frame_index": start + min(differing) if differing else None,
        "first_differing_video_frame": first_frame + min(seen) if seen else None,
        "series_start": {"frame_index": start, "video_frame": first_frame},
        "series": {
            "latent": latent,
            "pixel": pixel,
            "action": {key: [_actions(a, b) for a, b in zip(*pair, strict=False)] for key, pair in pairs.items()},
        },
        "equal": {key: _first(distances) is None and None not in distances for key, distances in steps.items()},
        "steps_compared": max((min(len(a), len(b)) for a, b in pairs.values()), default=0),
        "truncated": any(len(path) - shared > limit for path in paths),
    }


def _shared(paths: Sequence[Path]) -> int:
    """How many nodes all paths have in common from the root on."""
    count = 0
    for nodes in zip(*paths, strict=False):
        if len({node.id for node in nodes}) > 1:
            break
        count += 1
    return count


def _load_ahead(branches: Branches, tails: Sequence[Path]) -> None:
    """Fetch what will be compared with a few readers at once; what cannot be read is a null in the series."""
    overlap = sorted((len(tail) for tail in tails), reverse=True)[1:2]
    nodes = {node.id: node for tail in tails for node in tail[: overlap[0] if overlap else 0]}.values()

    def load(node: Ancestor) -> None:
        with suppress(CheckpointUnavailable, DamagedSnapshot, FrameNotFound):
            branches.frames(node.id)
            if node.frame_index:
                branches.latents_array(node.id)

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(load, nodes))


def _apart(branches: Branches, a: Path, b: Path) -> list[tuple[float | None, str]]:
    """RMS distance per step, and of what: of latents, or of frames where a model has none. 0.0 only for equal bits,
    None where a payload is not to be had."""
    found: list[tuple[float | None, str]] = []
    for x, y in zip(a, b, strict=False):
        distance, of = None, LATENTS
        with suppress(CheckpointUnavailable, DamagedSnapshot):
            if x.frame_index and y.frame_index:
                try:
                    distance = _distance(branches.latents_array(x.id), branches.latents_array(y.id))
                except FrameNotFound:
                    distance, of = _distance(branches.frames(x.id), branches.frames(y.id)), FRAMES
        found.append((distance, of))
    return found


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if series.same_bits(a, b):
        return 0.0
    if a.shape != b.shape:
        return float("1e9")
    apart = series.rms(a, b)
    return max(apart, float(np.finfo(np.float32).tiny)) if np.isfinite(apart) else float("1e9")


def _pixels(branches: Branches, a: Path, b: Path) -> Series:
    found: Series = []
    for x, y in zip(a, b, strict=False):
        distances: Series = [None] * min(x.n_frames, y.n_frames)
        with suppress(CheckpointUnavailable, DamagedSnapshot, ValueError):
            distances = list(series.frame_distances(branches.frames(x.id), branches.frames(y.id)))
        found += distances
    return found


def _actions(a: Ancestor, b: Ancestor) -> float | None:
    """RMS distance of the two steps' actions; None where one has none or their shapes differ."""
    if a.actions is None or b.actions is None:
        return None
    x, y = np.array(a.actions), np.array(b.actions)
    return series.rms(x, y) if x.shape == y.shape and x.size else None


def _first(distances: Sequence[float | None]) -> int | None:
    return next((index for index, distance in enumerate(distances) if distance), None)


def _node(node: Ancestor) -> dict[str, Any]:
    return {
        "id": node.id,
        "session_id": node.session_id,
        "frame_index": node.frame_index,
        "prompt": node.prompt,
        "seed": node.seed,
    }
