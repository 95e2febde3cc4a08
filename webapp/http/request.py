"""The request class: strict JSON, an empty body as `{}`, and multipart forms as the same JSON."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any, NoReturn

from flask import Request
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.http import parse_date

from arc_fabric.base.text import NO_TEXT, half_of, is_text
from arc_fabric.errors import InvalidRequest, PayloadTooLarge

FILE_FIELD = "initial_frame"
FRAMES_FIELD = "observed"
"""Files of this name are the frames of one step, in the order in which they come; those of `observed.0`, `observed.1`,
... are the frames of one camera each."""
_CAMERA = re.compile(rf"{FRAMES_FIELD}\.(0|[1-9][0-9]?)")
TEXT_FIELDS = frozenset({"prompt", "label", "if_head", FILE_FIELD})
LIST_FIELDS = frozenset({"state"})
OBJECT_FIELDS = frozenset({"model_settings"})
"""Their form field is JSON text."""


MOST_VALUES = 1 << 20
"""Of lists and objects in one body: an empty list has three bytes and takes eighty."""
DATED = {"HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE", "HTTP_DATE"}
"""Headers that are, or may be, a date. One that is none counts as not sent (RFC 9110, 13.1)."""


class ApiRequest(Request):
    """What the validators read through `get_json` is always an object, or a clear error is raised."""

    def __init__(self, environ: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        if environ.get("HTTP_IF_MATCH", "").strip() == "*":  # any version will do (werkzeug takes it for none)
            del environ["HTTP_IF_MATCH"]
        for name in DATED & environ.keys():
            if not _can_be_read(environ[name]):
                del environ[name]
        super().__init__(environ, *args, **kwargs)

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as a dict or list. Unlike Flask's, never None: raises InvalidRequest or UnsupportedMediaType."""
        if self.mimetype == "multipart/form-data":
            return self._form()
        data = self.get_data(cache=True)
        if not data:
            return {}
        if not self.is_json:
            raise UnsupportedMediaType(
                f"The body came as {self.mimetype or 'no content type'!r}; application/json is expected."
            )
        return parse_json(data)

    def _form(self) -> dict[str, Any]:
        """Form fields as JSON: text as it is, the rest parsed, repeated fields as lists, a file as base64."""
        fields: dict[str, Any] = {}
        for name, values in self.form.lists():
            parsed = [_field(name, value) for value in values]
            fields[name] = parsed if name in LIST_FIELDS or len(parsed) > 1 else parsed[0]
        cameras: dict[int, list[str]] = {}
        for name, files in self.files.lists():
            texts = [base64.b64encode(file.read()).decode() for file in files]
            if camera := _CAMERA.fullmatch(name):
                cameras[int(camera[1])] = texts
            elif name == FRAMES_FIELD:
                fields[name] = [texts]
            else:
                fields[name] = texts if len(texts) > 1 else texts[0]
        if cameras:
            if FRAMES_FIELD in fields:
                raise InvalidRequest(
                    f"files came as {FRAMES_FIELD!r} and by camera", hint=f"Name all of them {FRAMES_FIELD}.<camera>."
                )
            fields[FRAMES_FIELD] = [_by_frame(cameras)]
        return fields


def _by_frame(cameras: dict[int, list[str]]) -> list[list[str]]:
    """One list per frame, with a picture per camera. Raises InvalidRequest where a camera or a frame is left out."""
    names = {at: f"{FRAMES_FIELD}.{at}" for at in range(max(cameras) + 1)}
    counts = {name: len(cameras.get(at, ())) for at, name in names.items()}
    if len(set(counts.values())) > 1:
        came = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise InvalidRequest(
            f"every camera gives as many frames as the others; files came: {came}",
            hint="Repeat each name once per frame, in order; send a black picture for a camera that is not there.",
        )
    return [list(views) for views in zip(*(cameras[at] for at in names), strict=True)]


def _can_be_read(text: str) -> bool:
    """False for a date that no calendar has, which makes Python's reader raise."""
    try:
        parse_date(text)
    except (ValueError, OverflowError):
        return False
    return True


def parse_json(data: bytes | str) -> dict[str, Any] | list[Any]:
    """JSON text -> object or array; InvalidRequest for anything else (NaN and infinities too), PayloadTooLarge where
    it would take far more memory than it has bytes."""
    _check_count(data)
    try:
        value = json.loads(data, parse_constant=_no_constant, parse_float=_finite)
        where = half_of(value) if _may_hold_half(data) else None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is no valid JSON: {error}", hint="Send one JSON object.") from None
    if not isinstance(value, (dict, list)):
        raise InvalidRequest(f"the body is a JSON {type(value).__name__}; an object is expected")
    if where is not None:
        raise InvalidRequest(f"{where}: {NO_TEXT}", hint="Send text as UTF-8 (in JSON escapes: whole pairs).")
    return value


def _check_count(data: bytes | str) -> None:
    """Before any of them is made. Commas in texts count as well: pictures in base64 have none."""
    count = sum(map(data.count, ",[{") if isinstance(data, str) else map(data.count, b",[{"))
    if count > MOST_VALUES:
        raise PayloadTooLarge(
            f"the body has about {count} values in lists and objects; at most {MOST_VALUES} are accepted",
            hint="Send it in several requests.",
            max_values=MOST_VALUES,
        )


def _may_hold_half(data: bytes | str) -> bool:
    """Whether a text in it may be none: only an escape, or bytes that are not UTF-8, can make half of a pair."""
    if isinstance(data, str):
        return "\\u" in data or not is_text(data)
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return b"\\u" in data or b"\0" in data  # with NULs it is UTF-16 or UTF-32, which JSON's reader takes as well


def _field(name: str, value: str) -> Any:
    if name in TEXT_FIELDS:
        return value
    return parse_json(value) if name in OBJECT_FIELDS else _number(name, value)


def _number(name: str, value: str) -> int | float:
    try:
        parsed = json.loads(value, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, bool) or not isinstance(parsed, (int, float)):
        raise InvalidRequest(f"form field {name!r} is no number: {value[:80]!r}")
    return parsed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float | int:
    """JSON has one kind of number: 3.0 is a whole one (but -0.0 keeps its sign)."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large")
    negative_zero = value == 0 and math.copysign(1.0, value) < 0
    return int(value) if value.is_integer() and abs(value) < 2**53 and not negative_zero else value
