"""The marks by which collectors on any machine, and writers, know what is about to be deleted.

A mark is one object beside the one it speaks of. No two marks are alike (each has a nonce), so that a mark which is
unchanged between two looks has been there all the time. Why that makes deleting safe: store/upkeep/collector.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from arc_fabric.store.backends.base import Backend, ObjectInfo

MARKS = "gc/condemned/"
CLOCK = "gc/clock"
LISTING_VALID_S = 60.0
"""A collector deletes within half of this after it has seen a mark unchanged; a writer that must be sure waits all of
it."""
DELETED_MARK_S = 600.0
"""How long a mark that does not say "marked" stays, and twice as long as a writer may trust that a file it has seen is
there."""
_WORDS = {"marked": b"", "unmarked": b"spared", "deleted": b"deleted", "claimed": b"claimed!"}
_NONCE = 16
_STATES = {len(word) + nonce: state for state, word in _WORDS.items() for nonce in (0, _NONCE)}
"""By the length of the mark, which a listing shows. Version 0.1.0 wrote marks without a nonce."""
_FEW = 1000
"""Marks that a writer reads in one listing; where there are more it asks for the ones that concern it."""


@dataclass(frozen=True)
class Mark:
    """What is said of one object: it will be deleted (`marked`), or will not (`unmarked`, by a collector; `claimed`, by
    a writer), or is `deleted`. `since` is by the storage's clock."""

    since: float
    state: str
    version: str = ""


def marks(backend: Backend) -> dict[str, Mark]:
    """Every mark by the key of its object."""
    return {info.key.removeprefix(MARKS): _mark_of(info) for info in backend.list(MARKS)}


def marks_on(backend: Backend, keys: Iterable[str], folder: str) -> dict[str, Mark]:
    """The marks on some objects, and on those below `folder`: one listing however many marks there are."""
    first = list(islice(backend.list(MARKS), _FEW + 1))
    wanted = set(keys)
    if len(first) <= _FEW:
        found = {info.key.removeprefix(MARKS): _mark_of(info) for info in first}
        return {key: given for key, given in found.items() if key in wanted or key.startswith(folder)}
    near = {info.key.removeprefix(MARKS): _mark_of(info) for info in backend.list(MARKS + folder)}
    asked = {key: mark_on(backend, key) for key in wanted - near.keys()}
    return near | {key: given for key, given in asked.items() if given is not None}


def mark_on(backend: Backend, key: str) -> Mark | None:
    """The mark on one object."""
    try:
        return _mark_of(backend.stat(MARKS + key))
    except KeyError:
        return None


def mark(backend: Backend, key: str, given: Mark | None, now: float) -> bool:
    """Say that an object will be deleted, unless a mark is there that says so, or must stay a while."""
    if given is not None and (given.state in ("marked", "deleted") or now - given.since <= DELETED_MARK_S):
        return False
    _put(backend, key, "marked")
    return True


def unmark(backend: Backend, key: str, given: Mark, now: float) -> bool:
    """Take back the mark of an object that is needed or gone; whether it said that the object would be deleted.

    In two steps, the second later than any writer trusts what it has seen before: until then writers see a mark.
    """
    settled = now - given.since > DELETED_MARK_S
    if given.state == "marked" or (given.state == "deleted" and settled and backend.exists(key)):
        _put(backend, key, "unmarked")
    elif settled:
        backend.delete(MARKS + key)
    return given.state == "marked"


def delete_marked(backend: Backend, key: str, given: Mark) -> bool:
    """Delete an object, saying so first; not if its mark is not `given` any more, or storage was slow to answer."""
    began = time.monotonic()
    if mark_on(backend, key) != given:
        return False
    _put(backend, key, "deleted")
    if time.monotonic() - began > LISTING_VALID_S / 2:
        return False
    backend.delete(key)
    return True


def claim(backend: Backend, found: dict[str, Mark]) -> bool:
    """For a writer that has stored a manifest and found marks on what it refers to: say that it is needed.

    Whether to wait LISTING_VALID_S, after which nothing of it is deleted any more; else that holds already."""
    if not found:
        return False
    unsafe = [key for key, given in found.items() if given.state in ("marked", "deleted")]
    for key in unsafe:
        _put(backend, key, "claimed")
    now = storage_time(backend)
    return bool(unsafe) or any(now - given.since <= LISTING_VALID_S for given in found.values())


def storage_time(backend: Backend) -> float:
    """Now, by the clock that dates stored objects."""
    backend.put(CLOCK, b"")
    return backend.stat(CLOCK).modified


def _mark_of(info: ObjectInfo) -> Mark:
    return Mark(info.modified, _STATES.get(info.size, "marked"), info.version)


def _put(backend: Backend, key: str, state: str) -> None:
    backend.put(MARKS + key, _WORDS[state] + os.urandom(_NONCE // 2).hex().encode())
