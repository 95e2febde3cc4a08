"""Rules that operators write as short texts in settings.

>>> retention(["*=2592000", "scratch=86400"])
{'*': 2592000.0, 'scratch': 86400.0}
>>> quotas(["*=5/50GiB", "ci=-/1TB"])["ci"]
Quota(sessions=None, bytes=1000000000000)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import ByteSize, TypeAdapter

EVERY = "*"
"""Stands for every tree, and every token that has no rule of its own."""
_SIZE = TypeAdapter(ByteSize)


@dataclass(frozen=True)
class Quota:
    """What the holder of a token may have; None: as much as there is."""

    sessions: int | None = None
    bytes: int | None = None


def retention(rules: Iterable[str]) -> dict[str, float]:
    """`tag=seconds` each. Raises ValueError."""
    found = {}
    for rule in rules:
        tag, _, seconds = rule.rpartition("=")
        if not tag.strip() or not 0 < float(seconds) < math.inf:
            raise ValueError(f"a rule of retention is written tag=seconds (* for every tree), not {rule!r}")
        found[tag.strip()] = float(seconds)
    return found


def quotas(rules: Iterable[str]) -> dict[str, Quota]:
    """`name=sessions/bytes` each, `-` for no bound. Raises ValueError."""
    found = {}
    for rule in rules:
        name, _, bounds = rule.rpartition("=")
        sessions, slash, size = bounds.partition("/")
        if not name.strip() or not slash:
            raise ValueError(f"a quota is written name=sessions/bytes (- for no bound), not {rule!r}")
        found[name.strip()] = Quota(_bound(sessions, int), _bound(size, _bytes))
    return found


def quota_of(rules: Mapping[str, Quota], name: str) -> Quota:
    """The quota of a token, by its own rule or that for every one."""
    return rules.get(name) or rules.get(EVERY) or Quota()


def _bytes(text: str) -> int:
    return int(_SIZE.validate_python(text))


def _bound(text: str, read: Callable[[str], int]) -> int | None:
    if text.strip() == "-":
        return None
    bound = read(text.strip())
    if bound < 0:
        raise ValueError(f"a bound is 0 or more, not {bound}")
    return bound
