"""Videos of variants for a report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from arc_fabric.base.present import present
from arc_fabric.base.terms import ClipForm
from arc_fabric.errors import ArcFabricError
from arc_fabric.evaluation.results import GROUPS, Row, grouped, summary, word_of
from arc_fabric.media.mosaic import Cell, mosaic
from arc_fabric.media.video import encode
from webapp.content.clips import encoding
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


def grid_rows(rows: Sequence[Row], most: int) -> tuple[list[Row], int]:
    """Rows that were made, those of one combination one after the other by seed, `most` at most; how many seeds a
    combination has."""
    made = [row for row in rows if row["head"]]
    lines = list(grouped(made, [name for name in GROUPS if name != "seed"]).values())
    seeds = max((len(line) for line in lines), default=0)
    wide = max(1, most // max(1, len(lines)))
    chosen = [row for line in lines for row in sorted(line, key=lambda row: row["seed"] or 0)[:wide]]
    return chosen[:most], min(seeds, wide)


def grid(rows: Sequence[Row], *, columns: int, width: int | None, form: ClipForm) -> bytes:
    """One clip of what these made."""
    cells = [Cell(_frames(row), word_of(row)) for row in rows]
    with encoding.turn():
        return encode(mosaic(cells, columns=columns, width=width), fps=model_fps(), form=form)


def _frames(row: Row) -> Iterator[np.ndarray]:
    """The frames of a row's own steps."""
    path = [one.id for one in ctx().pictures.lineage(present(row["head"]))][-row["steps"] :]
    return (frame for checkpoint in path for frame in ctx().pictures.frames(checkpoint))


def _clip(row: Row) -> bytes:
    return encode(_frames(row), fps=model_fps(), form="webp")
