"""Systems that the tests of many modules share, kept only as long as tests that come soon want them.

A fixture of the scope "session" would run to the end of the test session: with xdist, each process would in time keep
every server, worker and browser that there is. What is kept here ends between two modules, before the session's own
fixtures do, so that it may use those.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.sharing_out import group


@dataclass
class _Held:
    value: Any
    manager: AbstractContextManager[Any]
    patience: int
    idle: int = 0


class Kept:
    """What this process keeps, by the name of its fixture."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self.next: pytest.Item | None = None
        """The test that comes next, if any."""

    def get(self, name: str, make: Callable[[], AbstractContextManager[Any]], patience: int = 0) -> Any:
        """The one that runs, or a new one. It ends when so many modules in a row did without it and the next does."""
        if name not in self._held:
            manager = make()
            self._held[name] = _Held(manager.__enter__(), manager, patience)
        self._held[name].idle = 0
        return self._held[name].value

    def module_over(self) -> None:
        """End what is not wanted any more, the newest first."""
        wanted = {*getattr(self.next, "fixturenames", ()), self.next and group(self.next.nodeid)}
        for name, held in reversed(list(self._held.items())):
            held.idle = 0 if name in wanted else held.idle + 1
            if self.next is None or held.idle > held.patience:
                del self._held[name]
                held.manager.__exit__(None, None, None)


kept = Kept()
