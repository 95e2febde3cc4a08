"""Videos of variants for a report."""

from __future__ import annotations

import bisect
import heapq
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from arc_fabric.base.present import present
from arc_fabric.base.terms import ClipForm
from arc_fabric.errors import ArcFabricError
from arc_fabric.evaluation.results import GROUPS, Row, word_of
from arc_fabric.media.mosaic import Cell, mosaic
from arc_fabric.media.video import encode
from webapp.content.clips import encoding
from webapp.context import ctx
from webapp.model import model_fps

log = logging.getLogger(__name__)
REPORT_STEPS = 100
"""Steps that a video in a report shows."""


def pictures_of(rows: Iterable[Row], most: int) -> dict[int, bytes]:
    """Variant number -> WebP animation of what it made, for `most` rows at most: the best and the worst by turns. What
    cannot be read is left out."""
    found = {}
    for row in _ends(rows, most):
        try:
            found[row["variant"]] = _clip(row)
        except ArcFabricError as error:
            log.warning("variant %d is shown without a video: %s", row["variant"], error)
    return found


def _ends(rows: Iterable[Row], most: int) -> list[Row]:
    """The best and the worst that were made, by turns. `rows` are read thrice; no more than `most` are held."""
    better = next((score["better"] for row in rows for score in row["scores"] if score.get("better")), "higher")
    sign = -1 if better == "higher" else 1

    def place(row: Row) -> tuple[bool, float, int]:
        return row["score"] is None, sign * (row["score"] or 0.0), row["variant"]

    made = (row for row in rows if row["head"])
    best = heapq.nsmallest(most, made, key=place)
    if len(best) < most:
        worst: list[Row] = []  # all are among the best
    else:
        worst = heapq.nlargest(most // 2, (row for row in rows if row["head"]), key=place)
    turns = (row for pair in zip_longest(best, worst or best[::-1]) for row in pair if row is not None)
    return list({row["variant"]: row for row in turns}.values())[:most]


def grid_rows(rows: Iterable[Row], most: int) -> list[list[Row]]:
    """Rows that were made, `most` at most: a list by seed for each combination of what differs beside the seed."""
    lines: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row.get(name) for name in GROUPS if name != "seed")
        if row["head"] is None or (key not in lines and len(lines) == most):
            continue
        line = lines.setdefault(key, [])
        bisect.insort(line, row, key=lambda one: one["seed"] or 0)
        del line[max(1, most // len(lines)) :]
    wide = max(1, most // max(1, len(lines)))
    return [line[:wide] for line in lines.values()]


def grid(lines: Sequence[Sequence[Row]], *, columns: int, width: int | None, form: ClipForm) -> bytes:
    """One clip of what these made. Each line begins a row of its own, below what its variants have in common."""
    cells: list[Cell | None] = []
    captions: dict[int, str] = {}
    differ = [name for name in GROUPS if name != "seed" and len({line[0].get(name) for line in lines}) > 1]
    for line in lines:
        captions[len(cells) // columns] = ", ".join(str(line[0].get(name) or "own") for name in differ)
        cells += [Cell(_frames(row), word_of(row)) for row in line]
        cells += [None] * (-len(cells) % columns)
    with encoding.turn():
        pages = mosaic(cells, columns=columns, width=width, captions=captions if differ else {})
        return encode(pages, fps=model_fps(), form=form)


def _frames(row: Row, every: int = 1) -> Iterator[np.ndarray]:
    """The frames of a row's own steps, or of each `every`th of them."""
    path = [one.id for one in ctx().pictures.lineage(present(row["head"]))][-row["steps"] :: every]
    return (frame for checkpoint in path for frame in ctx().pictures.frames(checkpoint))


def _clip(row: Row) -> bytes:
    """Of a long variant every other step, or every third, and so on."""
    with encoding.turn():
        return encode(_frames(row, every=-(-row["steps"] // REPORT_STEPS)), fps=model_fps(), form="webp")
