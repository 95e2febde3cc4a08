"""Time-sortable unique ids, 128 bits in Crockford base 32 as in the ULID specification (github.com/ulid/spec).

>>> new_id("ckp")[:4]
'ckp_'
"""

from __future__ import annotations

import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BODY = "[0-9a-hjkmnp-tv-z]{26}"


def pattern(prefix: str) -> str:
    """The regular expression of the ids with this prefix, for schemas.

    >>> pattern("ckp")
    '^ckp_[0-9a-hjkmnp-tv-z]{26}$'
    """
    return f"^{prefix}_{_BODY}$"


def new_id(prefix: str) -> str:
    """`<prefix>_` + 26 characters: 48 bits of milliseconds, 80 random bits. Never reused."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return f"{prefix}_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def is_id(text: object, prefix: str) -> bool:
    """Whether `text` has the form of an id with this prefix (safe to use in an object key)."""
    return isinstance(text, str) and re.fullmatch(f"{prefix}_{_BODY}", text) is not None
