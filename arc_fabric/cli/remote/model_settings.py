"""Settings of the model as the command line takes them: name=value, repeated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from arc_fabric.errors import InvalidRequest

Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--setting", help="A setting of the model, name=value; may be repeated. Takes the place of those before."
    ),
]


def one_each(given: Iterable[str] | None) -> dict[str, float] | None:
    """name=value, each name once. Raises InvalidRequest.

    >>> one_each(["guidance=2", "steps=8"])
    {'guidance': 2.0, 'steps': 8.0}
    """
    found = several(given)
    if found is None:
        return None
    for name, values in found.items():
        if len(values) > 1:
            raise InvalidRequest(f"--setting {name} has {len(values)} values; one is expected.")
    return {name: values[0] for name, values in found.items()}


def several(given: Iterable[str] | None) -> dict[str, list[float]] | None:
    """name=value,value,... Raises InvalidRequest.

    >>> several(["guidance=1,2,4"])
    {'guidance': [1.0, 2.0, 4.0]}
    """
    found: dict[str, list[float]] = {}
    for text in given or ():
        name, _, values = text.partition("=")
        try:
            found.setdefault(name.strip(), []).extend(float(value) for value in values.split(","))
        except ValueError:
            raise InvalidRequest(f"--setting {text!r}: expected name=value, guidance=2 for example.") from None
    return found or None
