"""Go-Explore (Ecoffet et al., Nature 590, 2021): keep the best checkpoint of every cell, return to one that was seldom
chosen, explore from there. Returning is a restore: exact, and free of luck."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from arc_fabric.errors import InvalidRequest
from arc_fabric.search.explorer import Explorer, Try

Cell = Callable[[Try], Hashable]
"""What counts as the same place; for example a coarse score, or an object's position read off the last frame."""


@dataclass
class Kept:
    """The best way to a cell, and how often it was chosen."""

    best: Try
    chosen: int = 0


def go_explore(
    explorer: Explorer, steps: int, *, cell: Cell, tries: int, seed: int = 0, at: str | None = None
) -> dict[Hashable, Kept]:
    """`tries` continuations of `steps` steps; the archive, cell -> the best way there.

    A cell is chosen with a weight of 1 / sqrt(1 + times chosen), as in the paper. Judged is what lies after the start.
    """
    if min(steps, tries) < 1:
        raise InvalidRequest("steps and tries are 1 or more.")
    rng, start = random.Random(seed), explorer.session.checkpoint_at(at)
    archive: dict[Hashable, Kept] = {}
    for _ in range(tries):
        if archive:
            kept = list(archive.values())
            (chosen,) = rng.choices(kept, [(1 + one.chosen) ** -0.5 for one in kept])
            chosen.chosen += 1
            origin = chosen.best.checkpoint
        else:
            origin = start
        found = explorer.try_(steps, at=origin, seed=rng.randrange(2**31), judged_from=start)
        place = cell(found)
        known = archive.get(place)
        if known is None:
            archive[place] = Kept(found)
        elif found.worth > known.best.worth:
            known.best = found
    return archive
