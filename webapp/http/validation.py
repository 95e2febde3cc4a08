"""What pydantic refused, in words for the sender: which field, what came, what was expected."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from arc_fabric.base.terms import ShownKind
from arc_fabric.errors import (
    ArcFabricError,
    CheckpointNotFound,
    InvalidImage,
    InvalidRequest,
    JobNotFound,
    NotFound,
    SessionNotFound,
)

MOST_SHOWN = 50
"""Refused fields that an answer names; it says how many there are."""
PICTURE = "picture"
"""The rule that a text breaks which can be no picture; work/checks.py applies it."""
_NOT_FOUND: dict[str, type[NotFound]] = {
    "session_id": SessionNotFound,
    "checkpoint_id": CheckpointNotFound,
    "job_id": JobNotFound,
}
_UNION_TAGS = (
    *("one", "many", *get_args(ShownKind)),
    *("numbers", "named"),
    *("subscribe", "credit", "ping"),
)
"""Which member of a union pydantic tried: no part of a field's name for the reader."""
_SAID = ("missing", "extra_forbidden", "union_tag_invalid", "union_tag_not_found")
"""Rules whose message says what came, or that nothing did."""
_IDS = {"ses_": "session", "ckp_": "checkpoint", "job_": "job"}


def of_validation(error: ValidationError) -> ArcFabricError:
    """One of our errors. A path parameter that cannot be an id names nothing that exists, so it is a 404 like any
    unknown id."""
    fields = [_field(item, error.title) for item in error.errors(include_url=False)[:MOST_SHOWN]]
    first = fields[0]
    unknown = _NOT_FOUND.get(first["field"]) if error.title.endswith("Path") else None
    if unknown is not None:
        return unknown(f"{first['got']!r} is no id of this server", **{first["field"]: first["got"]})
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if all(field["rule"] == PICTURE for field in fields):
        return InvalidImage(f"{first['field']}: {first['expected']}{more}", errors=fields)
    came = "" if first["rule"] in _SAID else f"; {first['got']!r} came"
    return InvalidRequest(
        f"{first['field']}: {first['expected']}{came}{more}",
        hint="Correct the fields named in 'errors'; /openapi describes each.",
        errors=fields,
    )


def _field(item: ErrorDetails, title: str) -> dict[str, Any]:
    """One refused field."""
    place = [str(part) for part in item["loc"] if part not in _UNION_TAGS]
    rule, facts = item["type"], item.get("ctx", {})
    expected = item["msg"].removeprefix("Value error, ").replace("Input should ", "should ", 1)
    got = _shown(item.get("input"))
    if rule == "missing":
        expected, got = "is required", "nothing"
    elif rule == "extra_forbidden":
        expected = "is not known here" + _nearest(place[-1], title)
    elif rule == "union_tag_invalid":
        place.append(str(facts["discriminator"]).strip("'"))
        expected, got = f"{facts['tag']!r} is none of {facts['expected_tags']}", str(facts["tag"])
    elif rule == "union_tag_not_found":
        place.append(str(facts["discriminator"]).strip("'"))
        expected, got = "is required", "nothing"
    elif rule == "string_pattern_mismatch":
        expected = _pattern(str(facts["pattern"]))
    return {"field": ".".join(place) or "body", "expected": expected, "rule": rule, "got": got}


def _pattern(pattern: str) -> str:
    """What a pattern asks for.

    >>> _pattern("^ses_[0-9a-hjkmnp-tv-z]{26}$")
    'a session id is ses_ and 26 letters and digits'
    """
    prefix = re.match(r"\^(ses_|ckp_|job_)", pattern)
    if prefix is None:
        return f"must match {pattern}"
    kind = _IDS[prefix.group(1)]
    if "," in pattern.replace("{26}", "").partition("(")[2]:
        return f"give two to eight {kind} ids, joined by commas"
    return f"a {kind} id is {prefix.group(1)} and 26 letters and digits"


def _nearest(name: str, title: str) -> str:
    """The known member that an unknown one may have meant."""
    todo, names = [BaseModel], set()
    while todo:
        model = todo.pop()
        todo += model.__subclasses__()
        if model.__name__ == title:
            names = {field.alias or own for own, field in model.model_fields.items()}
    near = difflib.get_close_matches(name, sorted(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    """What came, short enough for a message and safe to print."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 120 else text[:117] + "..."
