"""The marks by which collectors on any machine, and writers, know what is about to be deleted."""

from __future__ import annotations

from dataclasses import dataclass

from arc_fabric.store.backends.base import Backend

MARKS = "gc/condemned/"
CLOCK = "gc/clock"
LISTING_VALID_S = 60.0
"""A collector deletes by a listing younger than half of this; a writer that must be sure waits all of it."""
DELETED_MARK_S = 600.0
"""How long a mark outlives its object, and twice as long as a writer may trust that a file it has seen is there."""
_UNMARKED, _DELETED = b"spared", b"deleted"
_STATES = {0: "marked", len(_UNMARKED): "unmarked", len(_DELETED): "deleted"}
"""By the length of the mark, which a listing shows."""


@dataclass(frozen=True)
class Mark:
    """One object that is marked, unmarked again (the mark waits for old listings to expire) or deleted (the mark stays
    a while for writers to see). `since` is by the storage's clock."""

    since: float
    state: str


def marks(backend: Backend) -> dict[str, Mark]:
    """Every mark by the key of its object."""
    return {i.key.removeprefix(MARKS): Mark(i.modified, _STATES.get(i.size, "marked")) for i in backend.list(MARKS)}


def mark(backend: Backend, key: str) -> None:
    """Say that an object will be deleted."""
    backend.put(MARKS + key, b"")


def unmark(backend: Backend, key: str, given: Mark, now: float) -> None:
    """Take back the mark of an object that is needed or gone, in two steps: while an older listing may still be acted
    on, and while writers may believe the object to be there, they must see a mark."""
    if given.state == "marked":
        backend.put(MARKS + key, _UNMARKED)
    elif now - given.since > (LISTING_VALID_S if given.state == "unmarked" else DELETED_MARK_S):
        backend.delete(MARKS + key)


def delete_marked(backend: Backend, key: str) -> None:
    """Delete an object, saying so first."""
    backend.put(MARKS + key, _DELETED)
    backend.delete(key)


def storage_time(backend: Backend) -> float:
    """Now, by the clock that dates stored objects."""
    backend.put(CLOCK, b"")
    return backend.stat(CLOCK).modified
