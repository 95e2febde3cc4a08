"""How pytest-xdist shares the tests out: a file's tests go to one process, and so do all that share a whole system.

pytest-xdist's own `loadgroup` would read marks, but from pytest 9.2 on it cannot hand them over (3.8.0 writes them to
an attribute that no longer counts) and silently sends every test wherever there is room: each process then starts
whatever any test wants.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadFileScheduling

GROUPS = {
    "tests/page/units": "",
    "tests/page/test_reconnect.py": "",
    "tests/page/test_sign_in.py": "",
    "tests/page": "page_stack",
    "tests/integration": "stack",
    "tests/cli/test_remote.py": "stack",
    "tests/openpi/test_remote.py": "stack",
    "tests/services/test_up.py": "stack",
    "tests/services/test_without_tokens.py": "stack",
    "tests/services/test_doors.py": "guarded_stack",
    "tests/services/test_environment.py": "guarded_stack",
}
"""Which files go together, by the fixture that they share; the first entry counts, of "" each file goes alone."""
LONGEST = ("page_stack", "stack")
"""What takes longest begins first, so that no process has it left when the others are done."""


class BySystem(LoadFileScheduling):  # type: ignore[misc]
    """Shares out files, and groups of files."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """The group of a test: the name of a system, or its file."""
    file = nodeid.partition("::")[0]
    return next((name for start, name in GROUPS.items() if f"{file}/".startswith(f"{start}/")), "") or file


def check(items: Iterable[pytest.Item]) -> None:
    """Raises UsageError where a test wants a system and is not in its group."""
    for item in items:
        for name in {*GROUPS.values()} & set(getattr(item, "fixturenames", ())):
            if group(item.nodeid) != name:
                raise pytest.UsageError(f"{item.nodeid} uses {name}: add its file to {__name__}.GROUPS")


def begin_files(items: list[pytest.Item]) -> None:
    """Tests that are marked `first` begin their file, whatever the order."""
    for item in [item for item in items if item.get_closest_marker("first")]:
        items.remove(item)
        items.insert(next(at for at, other in enumerate([*items, item]) if other.path == item.path), item)


def turn(item: pytest.Item) -> int:
    """When it begins."""
    name = group(item.nodeid)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
