"""What the page's modules import from each other: `python -m tools.graph_js` prints it.

tests/page/units/test_rooms.py asserts that there are no circles and no upward imports.

A room is a folder of `webapp/static/js`. Rooms only look down: a module imports from its own room and from those before
it in `ROOMS`. Types named in comments are no imports: they are gone when the page runs.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "webapp" / "static" / "js"
ROOMS = (
    "state", "lists", "ui", "net", "video", "compare", "tree", "grid", "files", "authoring", "controls", "sessions",
    "evaluations", "system", "shell", "",
)  # fmt: skip
"""From the bottom up; the last is the folder itself, where the page is put together."""
LARGEST_ROOM = 16

_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`\\])//[^\n]*", re.DOTALL)
_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']""")


def modules(root: Path = ROOT) -> dict[str, str]:
    """The text of every module by its path below `root`, as in "tree/layout.js"."""
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.js"))}


def imports(name: str, text: str) -> Iterator[str]:
    """The modules that a module imports, statically or at run time, as paths like its own."""
    for target in _IMPORT.findall(_COMMENT.sub("", text)):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def edges(root: Path = ROOT) -> dict[str, set[str]]:
    """For every module the modules it imports. Raises `FileNotFoundError` for an import that leads nowhere."""
    texts = modules(root)
    found = {name: set(imports(name, text)) for name, text in texts.items()}
    for name, targets in found.items():
        if lost := targets - texts.keys():
            raise FileNotFoundError(f"{name} imports {', '.join(sorted(lost))}, which does not exist")
    return found


def circles(root: Path = ROOT) -> list[list[str]]:
    """Groups of modules that reach each other, sorted."""
    graph = edges(root)
    reached = {name: _reached(graph, name) for name in graph}
    groups = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in graph}
    return sorted(list(group) for group in groups if group)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """What a module imports, also through others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def room(name: str) -> str:
    """The folder a module lies in; "" for the top."""
    return posixpath.dirname(name)


def upward(root: Path = ROOT) -> list[tuple[str, str]]:
    """Imports (module, imported) that look up, and those of rooms that `ROOMS` does not name."""
    height = {name: at for at, name in enumerate(ROOMS)}
    return [
        (name, target)
        for name, targets in edges(root).items()
        for target in sorted(targets)
        if room(name) != room(target) and height.get(room(target), len(ROOMS)) >= height.get(room(name), -1)
    ]


def sizes(root: Path = ROOT) -> Counter[str]:
    """Modules per room."""
    return Counter(map(room, modules(root)))


def main() -> None:
    """Print the facts."""
    found = edges()
    print(f"{len(found)} modules, {sum(map(len, found.values()))} imports")
    for name, count in sizes().items():
        print(f"  {name or '(top)':10} {count:3} modules")
    for circle in circles():
        print("circle: " + ", ".join(circle))
    for name, target in upward():
        print(f"upward: {name} imports {target}")
    print(f"{len(circles())} circles, {len(upward())} upward imports")


if __name__ == "__main__":
    main()
