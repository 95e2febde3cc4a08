"""Videos of variants for a report."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from arc_fabric.base.present import present
from arc_fabric.errors import ArcFabricError
from arc_fabric.evaluation.results import Row, summary
from arc_fabric.media.video import encode
from webapp.context import ctx
from webapp.model import model_fps

log = logging.getLogger(__name__)


def pictures_of(rows: Sequence[Row], most: int) -> dict[int, bytes]:
    """Variant number -> WebP animation of what it made, for `most` rows at most: the best and the worst by turns. What
    cannot be read is left out."""
    better = summary(rows)["better"]
    valued = sorted(
        (row for row in rows if row["head"]), key=lambda row: (row["score"] is None, row["score"] or 0.0),
        reverse=better == "higher",
    )  # fmt: skip
    chosen: list[Row] = []
    while valued and len(chosen) < most:
        chosen.append(valued.pop(-1 if len(chosen) % 2 else 0))
    found = {}
    for row in chosen:
        try:
            found[row["variant"]] = _clip(row)
        except ArcFabricError as error:
            log.warning("variant %d is shown without a video: %s", row["variant"], error)
    return found


def _clip(row: Row) -> bytes:
    path = [one.id for one in ctx().pictures.lineage(present(row["head"]))][-row["steps"] :]
    frames = (frame for checkpoint in path for frame in ctx().pictures.frames(checkpoint))
    return encode(frames, fps=model_fps(), form="webp")
