"""Records in Redis hashes: every field is one JSON text.

That lets a Lua script build the exact JSON view of a record by joining strings, without decoding numbers or
empty lists (cjson would turn `[]` into `{}` and cut floats). Fields that start with `_` are internal: they
are stored the same way but are not part of a view.

>>> decode(encode({"seq": 3, "prompt": "red", "_epoch": 0}))
{'seq': 3, 'prompt': 'red', '_epoch': 0}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dumps(value: Any) -> str:
    """Compact JSON; NaN is refused because no reader of ours accepts it."""
    if value is None:  # most fields of most records: the encoder takes ten times as long for them
        return "null"
    if type(value) is int:
        return repr(value)
    if type(value) is bool:
        return "true" if value else "false"
    return _encode(value)


def encode(fields: Mapping[str, Any]) -> dict[str, str]:
    """Field values -> JSON texts."""
    return {name: dumps(value) for name, value in fields.items()}


def decode(stored: Mapping[Any, str | bytes]) -> dict[str, Any]:
    """JSON texts -> field values; the names are texts (redis-py's types allow for bytes as well)."""
    return {name: json.loads(text) for name, text in stored.items()}


def pack(fields: Mapping[str, Any]) -> str:
    """One script argument that carries the encoded fields of a record."""
    return dumps(encode(fields))
