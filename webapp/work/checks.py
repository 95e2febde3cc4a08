"""Checks of bodies that depend on the settings and on the running model, as pydantic validators.

They run while a body is parsed, so that one wrong entry refuses the whole request before anything is accepted.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from arc_fabric.base.actions.controls import beyond, by_name
from arc_fabric.base.actions.model_settings import checked
from webapp.context import ctx
from webapp.http.validation import PICTURE
from webapp.model import abilities, geometry, observed_counts, sample_names

SAMPLE = "sample:"
_DATA_URLS = ("data:image/png;base64", "data:image/jpeg;base64", "data:image/webp;base64")
_ALPHABET = string.ascii_letters.encode() + string.digits.encode() + b"+/" + string.whitespace.encode()
_SHORTEST = 40
"""Characters: the smallest picture there is takes a few more."""
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
    """A state has as many numbers as the model's."""
    return _sized(values, "state_dim", "numbers")


def row(values: list[float] | dict[str, float]) -> list[float]:
    """An action has as many numbers as the model's; one by name becomes one in order."""
    if geometry().get("action_dim") == 0:
        raise ValueError("this model takes no actions: step without `actions`")
    if isinstance(values, dict):
        return by_name(values, _controls())
    return _sized(values, "action_dim", "numbers")


def chunk(rows: list[list[float]]) -> list[list[float]]:
    """A chunk has as many actions as the model takes per step, each within the limits of its controls."""
    if wrong := beyond(rows, geometry().get("controls", ())):
        raise ValueError(wrong)
    return _sized(rows, "action_horizon", "actions")


def settings(given: dict[str, float]) -> dict[str, float]:
    """Settings that the model takes, without those that are as they are by default."""
    if not abilities():
        return given  # no model runs yet; its worker checks them
    return checked(given, abilities().get("settings", ()))


def _controls() -> list[dict[str, Any]]:
    """What numbers of an action are called, and between what they lie."""
    sizes = geometry()
    if sizes.get("controls"):
        return list(sizes["controls"])
    names, low, high = (sizes.get(name, ()) for name in ("action_names", "action_low", "action_high"))
    if not sizes:
        raise ValueError("no model runs yet that says what its actions are called: give numbers in order")
    limits = zip(low, high, strict=False) if low and high else [(0.0, 0.0)] * len(names)
    return [{"name": name, "low": least, "high": most} for name, (least, most) in zip(names, limits, strict=False)]


def beginning(picture: T | None) -> T | None:
    """There is a picture, unless the running model begins worlds from their prompts alone."""
    if picture is None and abilities().get("needs_picture", True):
        raise PydanticCustomError("missing", "Field required")
    return picture


def picture(text: str) -> str:
    """A sample's name, or what base64 of a picture looks like. (Whether it is one shows when it is decoded.)"""
    if text.startswith(SAMPLE):
        name = text.removeprefix(SAMPLE)
        if name not in sample_names():
            known = ", ".join(sample_names()) or "none are installed"
            raise PydanticCustomError(
                PICTURE, "{why}", {"why": f"there is no sample {name[:80]!r}; there are: {known}"}
            )
    elif not _like_base64(text):
        raise PydanticCustomError(PICTURE, "is no PNG, JPEG or WebP (in JSON: its base64) and no 'sample:<name>'")
    return text


def cameras(picture: str | list[str]) -> str | list[str]:
    """A list has one picture per camera of the model: a missing one would put the others in the wrong place."""
    count = geometry().get("cameras")
    if count is not None and isinstance(picture, list) and len(picture) != count:
        given = f"{len(picture)} picture{'s' if len(picture) > 1 else ''}"
        cameras = f"{count} camera{'s' if count > 1 else ''}"
        black = " (a black one stands for a camera that is not there)" if len(picture) < count else ""
        raise ValueError(f"has {given}; this model has {cameras}: give one per camera, in its order{black}")
    return picture


def observed(frames: list[Any]) -> list[Any]:
    """There are as many frames as the model takes per step, if it can observe at all."""
    if abilities().get("observes") is False:
        raise ValueError("this model cannot take observed frames (abilities.observes is false): step without them")
    counts = observed_counts()
    if counts and len(frames) not in counts:
        words = " or ".join(map(str, counts))
        raise ValueError(f"has {len(frames)} frames; this model takes {words} real frames per step")
    return frames


def _like_base64(text: str) -> bool:
    """Whether it fits the schema's pattern. Not by that pattern: on long texts made for it, it takes very long."""
    prefix, comma, payload = text.partition(",")
    body = (payload if comma else text).strip()
    bare = body.rstrip("=")
    if (comma and prefix not in _DATA_URLS) or len(body) - len(bare) > 2 or len(bare) < _SHORTEST or not bare.isascii():
        return False
    return not bare.encode().translate(None, _ALPHABET)


def _sized(values: T, size: str, what: str) -> T:
    expected = geometry().get(size)
    if expected is not None and len(values) != expected:
        raise ValueError(f"has {len(values)} {what}; this model takes {expected} ({size})")
    return values
