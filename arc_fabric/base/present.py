"""Values that may be absent in general and cannot be here."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """A value that is there; TypeError for None, which is a mistake of this program, not of a request.

    >>> present(3)
    3
    """
    if value is None:
        raise TypeError("a value is missing that must be there")
    return value
