"""Checks of bodies that depend on the settings and on the running model, as pydantic validators.

They run while a body is parsed, so that one wrong entry refuses the whole request before anything is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from webapp.context import ctx
from webapp.model import abilities, geometry, observed_counts

T = TypeVar("T", bound=Sequence[Any])


def prompt(text: str) -> str:
    """At most `max_prompt_chars`."""
    limit = ctx().settings.max_prompt_chars
    if len(text) > limit:
        raise ValueError(f"has {len(text)} characters; at most {limit} are accepted (max_prompt_chars)")
    return text


def steps(count: int) -> int:
    """At most `max_steps_per_job`."""
    limit = ctx().settings.max_steps_per_job
    if count > limit:
        raise ValueError(f"at most {limit} steps per job are accepted (max_steps_per_job)")
    return count


def state(values: list[float]) -> list[float]:
    """As long as the model's state."""
    return _sized(values, "state_dim", "numbers")


def row(values: list[float]) -> list[float]:
    """As long as one action of the model."""
    return _sized(values, "action_dim", "numbers")


def chunk(rows: list[list[float]]) -> list[list[float]]:
    """As many actions as the model takes per step."""
    return _sized(rows, "action_horizon", "actions")


def cameras(picture: str | list[str]) -> str | list[str]:
    """At most one picture per camera of the model."""
    limit = geometry().get("cameras")
    if limit is not None and isinstance(picture, list) and len(picture) > limit:
        raise ValueError(f"has {len(picture)} pictures; this model has {limit} camera(s) (cameras)")
    return picture


def observed(frames: list[Any]) -> list[Any]:
    """As many frames as the model takes per step, if it can observe at all."""
    if abilities().get("observes") is False:
        raise ValueError("this model cannot take observed frames (abilities.observes is false): step without them")
    counts = observed_counts()
    if counts and len(frames) not in counts:
        words = " or ".join(map(str, counts))
        raise ValueError(f"has {len(frames)} frames; this model takes {words} real frames per step")
    return frames


def _sized(values: T, size: str, what: str) -> T:
    expected = geometry().get(size)
    if expected is not None and len(values) != expected:
        raise ValueError(f"has {len(values)} {what}; this model takes {expected} ({size})")
    return values
