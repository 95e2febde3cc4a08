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
_SPARED, _DELETED = b"spared", b"deleted"
_STATES = {0: "condemned", len(_SPARED): "spared", len(_DELETED): "deleted"}


@dataclass(frozen=True)
class Mark:
    """One object that is condemned, spared (the mark waits for old listings to expire) or deleted (the mark stays a
    while for writers to see). `since` is by the storage's clock."""

    since: float
    state: str


def condemned(backend: Backend) -> dict[str, Mark]:
    """Every mark by the key of its object."""
    return {i.key.removeprefix(MARKS): Mark(i.modified, _STATES.get(i.size, "condemned")) for i in backend.list(MARKS)}


def condemn(backend: Backend, key: str) -> None:
    """Mark an object."""
    backend.put(MARKS + key, b"")


def spare(backend: Backend, key: str, mark: Mark, now: float) -> None:
    """Take back the mark of an object that is needed or gone, in two steps: while an older listing may still be acted
    on, and while writers may believe the object to be there, they must see a mark."""
    if mark.state == "condemned":
        backend.put(MARKS + key, _SPARED)
    elif now - mark.since > (LISTING_VALID_S if mark.state == "spared" else DELETED_MARK_S):
        backend.delete(MARKS + key)


def delete_marked(backend: Backend, key: str) -> None:
    """Delete an object, saying so first."""
    backend.put(MARKS + key, _DELETED)
    backend.delete(key)


def storage_time(backend: Backend) -> float:
    """Now, by the clock that dates stored objects."""
    backend.put(CLOCK, b"")
    return backend.head(CLOCK).modified
