"""Text from outside: what is taken for text, and what is not.

Python takes half of a surrogate pair for a character; UTF-8 and everything that stores or shows text do not.

>>> [is_text(one) for one in ("pick up the 🥤", "half of one: \\ud83e", "\\udc80")]
[True, False, False]
>>> half_of({"prompt": "ok", "tags": ["a", "\\ud800"]})
'tags.1'
"""

from __future__ import annotations

from typing import Any

NO_TEXT = "has half of a surrogate pair, which is no character"


def is_text(value: str) -> bool:
    """Whether every character can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def half_of(value: Any) -> str | None:
    """Where in this JSON value a text (or a member's name) is none; None where all are."""
    if isinstance(value, str):
        return None if is_text(value) else ""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return None
    for name, item in items:
        shown = ascii(name) if isinstance(name, str) and not is_text(name) else str(name)
        if shown != str(name):
            return shown
        found = half_of(item)
        if found is not None:
            return f"{shown}.{found}".rstrip(".")
    return None
