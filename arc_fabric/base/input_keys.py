"""Object keys of given pictures: `inputs/<sha256>-<unique>.png`; `sample:<name>` names one of the package.

A key is never used again: a stored picture that neither a job nor a node names, and that is too old for a request
under way, will never be named. That is what makes it safe to delete (store/upkeep/unnamed_inputs.py).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

INPUTS = "inputs/"
"""What all of them begin with."""
NO_PICTURE = "none"
"""In place of a key: the world begins from its prompt alone."""
_UNIQUE = re.compile(rf"({INPUTS}[0-9a-f]{{64}})-[0-9a-f]{{16}}(\.png)")


def new_key(data: bytes) -> str:
    """A key that was never used, for an object with these bytes."""
    return f"{INPUTS}{hashlib.sha256(data).hexdigest()}-{os.urandom(8).hex()}.png"


def keys_in(params: Mapping[str, Any]) -> Iterator[str]:
    """The keys that the params of a job name: its `input_key`, and `observed`, one or None per step."""
    for key in (params.get("input_key"), *(params.get("observed") or ())):
        if key is not None and key.startswith(INPUTS):
            yield key


def by_content(params: Mapping[str, Any]) -> dict[str, Any]:
    """The params with equal keys for equal pictures: what an Idempotency-Key stands for."""
    plain = dict(params)
    if isinstance(plain.get("input_key"), str):
        plain["input_key"] = _UNIQUE.sub(r"\1\2", plain["input_key"])
    if plain.get("observed") is not None:
        plain["observed"] = [key and _UNIQUE.sub(r"\1\2", key) for key in plain["observed"]]
    return plain
