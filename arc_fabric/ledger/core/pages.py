"""Pages of listings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a listing; `next` is the cursor of the following one, or None at the end."""

    items: list[T]
    next: str | None = None

    @staticmethod
    def of_names(names: Iterable[str], cursor: str | None, limit: int) -> Page[str]:
        """The page of a list in the order of names that begins after the name `cursor`."""
        left = sorted(name for name in names if cursor is None or name > cursor)
        shown = left[:limit]
        return Page(shown, shown[-1] if len(left) > limit else None)
