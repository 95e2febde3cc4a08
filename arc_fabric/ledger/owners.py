"""What the holders of tokens have, as it is counted for their quotas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from arc_fabric import rules
from arc_fabric.ledger.core import Core, Page, keys
from arc_fabric.ledger.core.connection import texts


@dataclass(frozen=True)
class Usage:
    """Of one token, by its name; without tokens everything is `local`'s."""

    name: str
    sessions_open: int
    """Open sessions that are not bulk."""
    bytes_stored: int
    """Bytes that its sessions' steps have stored, less those of deleted trees."""
    sessions_allowed: int | None
    """None: no bound."""
    bytes_allowed: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self)


class Owners:
    """Reads the counters that `lua/lib/quota.lua` keeps."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def page(self, cursor: str | None = None, limit: int = 50, *, also: Iterable[str] = ()) -> Page[Usage]:
        """Usage by name, of everyone for whom something was counted or who has a quota, and of `also`; `cursor` is the
        name after which this page begins."""
        quotas = rules.quotas(self._core.limits.quotas)
        known = {*texts(self._core.redis.smembers(keys.OWNERS)), *quotas, *also} - {rules.EVERY}
        names = Page.of_names(known, cursor, limit)
        pipe = self._core.redis.pipeline(transaction=False)
        for name in names.items:
            pipe.scard(keys.owner_open(name))
            pipe.get(keys.owner_bytes(name))
        counts = pipe.execute()
        return Page(
            [
                Usage(name, int(opened), int(stored or 0), quota.sessions, quota.bytes)
                for name, opened, stored in zip(names.items, counts[::2], counts[1::2], strict=True)
                for quota in (rules.quota_of(quotas, name),)
            ],
            names.next,
        )
