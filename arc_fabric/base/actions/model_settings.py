"""Settings that a model takes per session: what is given, checked against what the model declares. Web and SDK ask it.

>>> known = [{"name": "steps", "kind": "discrete", "default": 6, "low": 1, "high": 32}]
>>> checked({"steps": 8}, known), checked({"steps": 6.0}, known)
({'steps': 8}, {})
>>> in_words({"guidance": 2.5, "steps": 8})
'guidance=2.5, steps=8'
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Settings = Mapping[str, float]
"""Values by name; what is not named is as the model has it by default."""


def checked(given: Settings, declared: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The given values that are not the model's defaults, by name; whole numbers as int, others as float, so that equal
    settings read equal. Raises ValueError for a name that is not declared, and a value that is not taken."""
    by_name = {one["name"]: one for one in declared}
    if unknown := sorted(set(given) - set(by_name)):
        known = f"it takes {', '.join(by_name)}" if by_name else "it takes none"
        raise ValueError(f"there is no setting {', '.join(map(repr, unknown))} of this model; {known}")
    values = {name: _value(given[name], by_name[name]) for name in sorted(given)}
    return {name: value for name, value in values.items() if value != by_name[name]["default"]}


def _value(value: Any, one: Mapping[str, Any]) -> float:
    whole = one["kind"] == "discrete"
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not one["low"] <= number <= one["high"] or (whole and not number.is_integer()):
        what = "a whole number" if whole else "a number"
        raise ValueError(f"{one['name']} is {value!r}; it is {what} from {one['low']:g} to {one['high']:g}")
    return int(number) if whole else number


def in_words(settings: Settings) -> str:
    """As results and tables name them: by name, in order; `defaults` where there are none."""
    return ", ".join(f"{name}={settings[name]:.9g}" for name in sorted(settings)) or "defaults"
