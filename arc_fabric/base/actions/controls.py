"""Whether actions keep the limits of a model's controls. Web and SDK ask it: one edge refuses what the other does.

>>> keys = [{"name": "jump", "kind": "discrete", "low": 0, "high": 1, "choices": ["up", "down"]}]
>>> beyond([[0.5]], keys)
'action 0 has jump = 0.5; it is a whole number from 0 to 1 (up, down)'
>>> beyond([[1]], keys)
''
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def beyond(actions: Iterable[Sequence[float]], controls: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with the first number that its control does not take; empty where all are taken."""
    for row, numbers in enumerate(actions):
        for number, control in zip(numbers, controls, strict=False):
            whole = control["kind"] == "discrete"
            if control["low"] <= number <= control["high"] and (not whole or float(number).is_integer()):
                continue
            names = f" ({', '.join(control['choices'])})" if control["choices"] else ""
            what = "a whole number" if whole else "a number"
            return (
                f"action {row} has {control['name']} = {number:g}; it is {what} from {control['low']:g} to "
                f"{control['high']:g}{names}"
            )
    return ""


def by_name(named: Mapping[str, float], controls: Sequence[Mapping[str, Any]]) -> list[float]:
    """An action given by its controls' names as numbers in their order; a control that is not named rests. Raises
    ValueError for a name that there is not."""
    names = [control["name"] for control in controls]
    if unknown := sorted(set(named) - set(names)):
        known = f"it has {', '.join(names)}" if names else "it names none"
        raise ValueError(f"there is no control {', '.join(map(repr, unknown))} in this model; {known}")
    return [named.get(control["name"], rest(control)) for control in controls]


def rest(control: Mapping[str, Any]) -> float:
    """Zero where it is allowed, else the limit that is next to it."""
    return float(min(max(0.0, control["low"]), control["high"]))
