"""Logins of the page that were ended before their time."""

from __future__ import annotations

from arc_fabric.ledger.core import Core, keys


class Logins:
    """A login is known by the id in its cookie, which is valid by its signature alone until it is ended here."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def end(self, login_id: str, seconds: int) -> None:
        """From now on it counts no more; remembered for as long as its cookie could be valid."""
        self._core.redis.set(keys.ended_login(login_id), 1, ex=seconds)

    def ended(self, login_id: str) -> bool:
        """Whether it was ended."""
        return bool(self._core.redis.exists(keys.ended_login(login_id)))
