"""Keywords that got another name: the old ones work and warn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def renamed(**names: str) -> Callable[[T], T]:
    """Let a function take `old="new"` keywords by their old names too.

    >>> renamed(n_steps="n")(lambda n=1: n)(n_steps=3)
    3
    """

    def around(function: T) -> T:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            for old in names.keys() & given.keys():
                text = f"the keyword {old} of {function.__name__} is called {names[old]} now"
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                given[names[old]] = given.pop(old)
            return function(*args, **given)

        return call  # type: ignore[return-value]

    return around
