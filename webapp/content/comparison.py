"""Where branches part and how far: the body of GET /api/compare, from lineages, latents, frames and actions."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np

from arc_fabric.base.frames import frame_count
from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot
from arc_fabric.media import series
from webapp.content.pictures import Ancestor, Pictures

READERS = 6
Path = tuple[Ancestor, ...]


def compare(pictures: Pictures, ids: Sequence[str], *, limit: int) -> dict[str, Any]:
    """Compare the branches that end at these checkpoints, over at most `limit` steps after they part."""
    paths = [pictures.lineage(checkpoint_id) for checkpoint_id in ids]
    shared = _shared(paths)
    tails = [path[shared:][:limit] for path in paths]
    _load_ahead(pictures, tails)
    ancestor = paths[0][shared - 1] if shared else None
    first_frame = frame_count(ancestor.frame_index, ancestor.n_frames) if ancestor else 0
    pairs = {f"{ids[i]}|{ids[j]}": (tails[i], tails[j]) for i, j in combinations(range(len(ids)), 2)}
    latent = {key: _latents(pictures, *pair) for key, pair in pairs.items()}
    pixel = {key: _pixels(pictures, *pair) for key, pair in pairs.items()}
    differing = [step for distances in latent.values() if (step := _first(distances)) is not None]
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
        "equal": {key: _first(distances) is None and None not in distances for key, distances in latent.items()},
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


def _load_ahead(pictures: Pictures, tails: Sequence[Path]) -> None:
    """Fetch what will be compared with a few readers at once; what cannot be read is a null in the series."""
    overlap = sorted((len(tail) for tail in tails), reverse=True)[1:2]
    nodes = {node.id: node for tail in tails for node in tail[: overlap[0] if overlap else 0]}.values()

    def load(node: Ancestor) -> None:
        with suppress(CheckpointUnavailable, DamagedSnapshot):
            pictures.frames(node.id)
            if node.frame_index:
                pictures.latents(node.id)

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(load, nodes))


def _latents(pictures: Pictures, a: Path, b: Path) -> list[float | None]:
    """RMS distance per step; 0.0 only for equal bits, None where a payload is not to be had."""
    found: list[float | None] = []
    for x, y in zip(a, b, strict=False):
        distance = None
        with suppress(CheckpointUnavailable, DamagedSnapshot):
            if x.frame_index and y.frame_index:
                distance = _distance(pictures.latents_array(x.id), pictures.latents_array(y.id))
        found.append(distance)
    return found


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if series.same_bits(a, b):
        return 0.0
    if a.shape != b.shape:
        return float("1e9")
    return max(series.rms(a, b), float(np.finfo(np.float32).tiny))


def _pixels(pictures: Pictures, a: Path, b: Path) -> list[float | None]:
    found: list[float | None] = []
    for x, y in zip(a, b, strict=False):
        distances: list[float | None] = [None] * min(x.n_frames, y.n_frames)
        with suppress(CheckpointUnavailable, DamagedSnapshot, ValueError):
            distances = list(series.frame_distances(pictures.frames(x.id), pictures.frames(y.id)))
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
