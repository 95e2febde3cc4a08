"""What the collector would free: somebody asks, the janitor counts and tells, everybody reads the last answer.

Counting looks at everything that is stored, which takes as long as there is much; so nobody waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from arc_fabric.ledger.core import Core, keys

ASKED_S = 900
"""How long a question waits for a janitor."""


class Freeable:
    """One question at a time: who asks while one waits shares its answer."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def ask(self) -> None:
        """Have it counted anew."""
        self._core.redis.set(keys.FREEABLE_ASKED, self._core.now(), ex=ASKED_S, nx=True)

    def asked(self) -> float | None:
        """Since when somebody waits for an answer, epoch seconds; None: nobody does."""
        found = self._core.redis.get(keys.FREEABLE_ASKED)
        return None if found is None else float(found)

    def tell(self, facts: Mapping[str, Any]) -> None:
        """The answer, JSON-safe, for everybody who asks."""
        pipe = self._core.redis.pipeline()
        pipe.set(keys.FREEABLE, json.dumps({**facts, "counted": self._core.now()}))
        pipe.delete(keys.FREEABLE_ASKED)
        pipe.execute()

    def last(self) -> dict[str, Any] | None:
        """The last answer with `counted`, when it was told in epoch seconds; None: there was none yet."""
        found = self._core.redis.get(keys.FREEABLE)
        return None if found is None else dict(json.loads(found))
