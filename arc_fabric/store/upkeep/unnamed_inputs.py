"""Given pictures (`inputs/`): which of them nothing names any more.

A picture is stored before the request that names it is accepted, and its key is never used again. So one that is named
by nothing and older than any request under way stays unnamed for good; the collector (collector.py) marks it, and
deletes it in a later run if it is unnamed still.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from arc_fabric.base.input_keys import INPUTS
from arc_fabric.store.backends.base import Backend, ObjectInfo

REQUEST_S = 900.0
"""No request takes that long from storing its pictures to being accepted."""
Named = Callable[[], AbstractSet[str] | None]
"""Gives the keys that are named now, or None where that cannot be known."""


def unnamed(
    backend: Backend, named: Named, *, now: float, grace_s: float, since: float = 0.0
) -> list[ObjectInfo] | None:
    """The pictures that may go: stored after `since`, old enough at `now` (both by the storage's clock), and then not
    named. None: not known.

    The listing comes first: what is accepted after `named` was asked is too young to be in it.
    """
    latest = now - max(grace_s, REQUEST_S)
    old = [info for info in backend.list(INPUTS) if since < info.modified <= latest]
    names = named() if old else frozenset()
    return None if names is None else [info for info in old if info.key not in names]
