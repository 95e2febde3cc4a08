"""Objects of trees that rest no more, or never came to rest: the collector takes them after the grace period."""

from __future__ import annotations

from itertools import groupby

from arc_fabric.ledger import Ledger
from arc_fabric.resting.objects import TREES
from arc_fabric.store.backends import Backend, ObjectInfo
from arc_fabric.store.backends.marks import storage_time

LEAST_S = 3600.0
"""No tree takes that long to come to rest; and Redis, after a crash, may say once more that a tree rests there which
has just come back."""


def collect_leftover(
    ledger: Ledger, backend: Backend, grace_s: float, *, since: float = 0.0, dry_run: bool = False
) -> tuple[int, int]:
    """Delete what lies below `trees/`, is old enough and is named by no row; how many objects, and their bytes.

    Objects older than the ledger's memory stay: they may be all that is left of it. So do those that were stored until
    `since`: they may be another ledger's.
    """
    now = storage_time(backend)
    began, latest = ledger.inputs.knows_since(now), now - max(grace_s, LEAST_S)
    objects = size = 0
    for place, infos in groupby(backend.list(TREES), lambda info: tuple(info.key.split("/")[1:3])):
        found: list[ObjectInfo] = list(infos)
        if len(place) < 2 or not all(max(since, began) < info.modified < latest for info in found):
            continue
        row = ledger.resting.row(place[0])
        if (row and row["token"] == place[1]) or ledger.inputs.knows_since(now) != began:
            continue
        for info in found:
            objects, size = objects + 1, size + info.size
            if not dry_run:
                backend.delete(info.key)
    return objects, size
