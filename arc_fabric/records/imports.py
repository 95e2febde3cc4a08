"""What a bundle brings of a record to another installation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from arc_fabric.records.record import hints, members


@cache
def import_type(record: type) -> type[BaseModel]:
    """What a bundle brings of a record: the members that are not only known where it came to be, strictly checked."""
    shown = {
        name: (hints(record)[name], Field(default=None) if one.metadata["later"] else ...)
        for name, one in members(record).items()
        if not one.metadata["home"]
    }
    config = ConfigDict(strict=True, allow_inf_nan=False)
    return create_model(record.__name__, __config__=config, **shown)  # type: ignore[no-any-return,call-overload]


def brought(record: type, view: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The members of a view that can be taken, and the names of those that are wrong or missing."""
    wrong: set[str] = set()
    try:
        import_type(record).model_validate(view)
    except ValidationError as error:
        wrong = {str(found["loc"][0]) for found in error.errors(include_url=False, include_input=False)}
    return {name: view[name] for name in import_type(record).model_fields if name in view and name not in wrong}, wrong
