"""The marks by which collectors on any machine, and writers, know what is about to be deleted."""

from __future__ import annotations

from dataclasses import dataclass

from arc_fabric.store.backends.base import Backend

MARKS = "gc/condemned/"
CLOCK = "gc/clock"
LISTING_VALID_S = 60.0
"""A collector deletes by a listing younger than half of this; a writer that must be sure waits all of it."""
_SPARED = b"spared"


@dataclass(frozen=True)
class Mark:
    """One condemned object. `since` is by the storage's clock; a spared mark only waits for old listings to expire."""

    since: float
    spared: bool


def condemned(backend: Backend) -> dict[str, Mark]:
    """Every mark by the key of its object."""
    return {i.key.removeprefix(MARKS): Mark(i.modified, i.size == len(_SPARED)) for i in backend.list(MARKS)}


def condemn(backend: Backend, key: str) -> None:
    """Mark an object."""
    backend.put(MARKS + key, b"")


def spare(backend: Backend, key: str, mark: Mark, now: float) -> None:
    """Take a mark back in two steps: while an older listing may still be acted on, writers must see a mark."""
    if not mark.spared:
        backend.put(MARKS + key, _SPARED)
    elif now - mark.since > LISTING_VALID_S:
        absolve(backend, key)


def absolve(backend: Backend, key: str) -> None:
    """Remove a mark."""
    backend.delete(MARKS + key)


def storage_time(backend: Backend) -> float:
    """Now, by the clock that dates stored objects."""
    backend.put(CLOCK, b"")
    return backend.head(CLOCK).modified
