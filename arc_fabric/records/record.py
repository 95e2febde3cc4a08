"""How a record is defined: a dataclass whose members say what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from pydantic import Field

T = TypeVar("T")


def once_per_type(make: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """What `make` says of a class, found out once."""
    return cache(make)  # type: ignore[return-value]  # classes are hashable, which mypy does not see of type[Any]


def member(
    description: str | None = None,
    default: Any = MISSING,
    *,
    make: Any = MISSING,
    example: Any = MISSING,
    home: bool = False,
    later: bool = False,
) -> Any:
    """A member that everybody sees. `make` makes the default where it is a list or dict.

    `home`: only the installation where it came to be knows it, a bundle does not bring it. `later`: it came after
    version 0.1, bundles made before lack it; it takes its default then.
    """
    said: dict[str, Any] = {"description": description, "examples": None if example is MISSING else [example]}
    shown = Field(**{name: value for name, value in said.items() if value is not None})
    metadata = {"schema": shown, "home": home, "later": later}
    return field(default=default, default_factory=make, metadata=metadata)


@dataclass
class Record:
    """Base of the definitions."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON view: the members."""
        return {name: getattr(self, name) for name in members(type(self))}  # type: ignore[arg-type]


@cache
def members(record: type) -> dict[str, dataclasses.Field[Any]]:
    """The members of a record by name, in their order; what else a subclass holds is not among them."""
    return {f.name: f for f in fields(record) if "schema" in f.metadata}


@cache
def hints(record: type) -> dict[str, Any]:
    """The types of a record's members by name, with what pydantic needs to check and describe them."""
    known = get_type_hints(record, include_extras=True)
    return {name: known[name] for name in members(record)}
