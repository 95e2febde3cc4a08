"""The state of the house: circles, arrows that look up, crowded folders. `python -m tools.house [--json | --table]`.

The rooms and what each may import are in `tools/rooms.py`; `tests/test_layers.py` asserts that nothing is found here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools import graph_js, graph_py
from tools.graph_py import ALL, ROOT, RUN, Import
from tools.rooms import CROWDED, MOST_FILES, ROOMS, Room, room_of

SOURCES = {".py", ".lua", ".js", ".css", ".html"}
LOOKED_AT = ("arc_fabric", "workers", "webapp", "tests", "benchmarks", "tools")
FACADES = ("arc_fabric/__init__.py",)
"""Name, for type checkers, what they load from rooms above them on first use."""


def room_graph(found: Iterable[Import]) -> dict[str, set[str]]:
    """For every room the rooms it imports, whenever the import runs."""
    graph: dict[str, set[str]] = {room.name: set() for room in ROOMS}
    for file, others in graph_py.edges(found, RUN).items():
        here = room_of(file)
        there = {room for room in map(room_of, others) if room is not None and room is not here}
        if here is not None:
            graph[here.name] |= {room.name for room in there}
    return graph


def homeless(files: Iterable[str]) -> list[str]:
    """Files that lie in no room of the table."""
    return [file for file in files if room_of(file) is None]


def upward(found: Iterable[Import]) -> list[str]:
    """Imports of a room that the importing room may not use, as sentences. Those for types count too."""
    known = {graph_py.module(file): file for file in graph_py.files()}
    told = []
    for each in sorted(found):
        here, file = room_of(each.file), graph_py.target(each.name, known)
        there = room_of(file) if file else None
        if here is None or there is None or (each.kind == "types" and each.file in FACADES):
            continue
        if there.name not in here.allowed:
            told.append(
                f"{each.file}:{each.line} imports {each.name} ({each.kind}): {here.name} may not use {there.name}"
            )
    return told


def strangers(found: Iterable[Import]) -> list[str]:
    """Imports of packages from elsewhere that the importing room may not use, as sentences."""
    ours = {"arc_fabric", "workers", "webapp", "celeryconfig"}
    told = []
    for each in sorted(found):
        package, here = each.name.split(".")[0], room_of(each.file)
        if package in ours or package in sys.stdlib_module_names or here is None:
            continue
        if package not in here.packages.split():
            told.append(f"{each.file}:{each.line} imports {package} ({each.kind}): {here.name} may not use it")
    return told


def misordered() -> list[str]:
    """Rooms of the table that use one which stands after them, or none of the table."""
    height = {room.name: at for at, room in enumerate(ROOMS)}
    return [
        f"{room.name} uses {used}, which does not stand before it"
        for room in ROOMS
        for used in room.uses.split()
        if height.get(used, len(ROOMS)) >= height[room.name]
    ]


def unused_permissions(found: Iterable[Import]) -> list[str]:
    """Rooms and packages that a room of the table may use and does not."""
    used: dict[str, set[str]] = {room.name: set() for room in ROOMS}
    known = {graph_py.module(file): file for file in graph_py.files()}
    for each in found:
        here, file = room_of(each.file), graph_py.target(each.name, known)
        there = room_of(file) if file else None
        if here is not None:
            used[here.name].add(there.name if there else each.name.split(".")[0])
    return [
        f"{room.name} may use {name} and does not"
        for room in ROOMS
        for name in (*room.uses.split(), *room.packages.split())
        if name not in used[room.name]
    ]


def sizes(root: Path = ROOT) -> Counter[str]:
    """Source files per folder, `__init__.py` and what others made (`vendor`) not counted."""
    paths = (path.relative_to(root) for place in LOOKED_AT for path in (root / place).rglob("*"))
    return Counter(
        path.parent.as_posix()
        for path in paths
        if path.suffix in SOURCES and path.name != "__init__.py" and "vendor" not in path.parts
    )


def crowded() -> dict[str, int]:
    """Folders with more files than MOST_FILES that have no reason in CROWDED."""
    return {folder: count for folder, count in sorted(sizes().items()) if count > MOST_FILES and folder not in CROWDED}


def needless_exemptions() -> list[str]:
    """Folders of CROWDED that are not crowded (any more)."""
    return [folder for folder in CROWDED if sizes()[folder] <= MOST_FILES]


def table() -> str:
    """The rooms as docs/reference/rooms.md shows them, from the bottom up."""
    rows = ["| room | holds | may use |", "|---|---|---|"]
    rows += [f"| `{room.name}` | {room.description()} | {_may_use(room)} |" for room in ROOMS]
    return "\n".join(rows)


def _may_use(room: Room) -> str:
    names = [name.replace("arc_fabric:", "").replace("arc_fabric/", "") for name in room.uses.split()]
    return "; ".join(filter(None, (", ".join(f"`{name}`" for name in names), ", ".join(room.packages.split()))))


def report() -> dict[str, Any]:
    """Everything there is to say."""
    found = graph_py.read_all()
    return {
        "python": {
            "files": len(graph_py.files()),
            "imports": sum(map(len, graph_py.edges(found).values())),
            "circles": graph_py.circles(graph_py.edges(found, RUN)),
            "circles_with_types": graph_py.circles(graph_py.edges(found, ALL)),
            "room_circles": graph_py.circles(room_graph(found)),
            "homeless": homeless(graph_py.files()),
            "upward": upward(found) + misordered(),
            "packages": strangers(found),
            "unused_permissions": unused_permissions(found),
        },
        "page": {
            "modules": len(graph_js.modules()),
            "circles": graph_js.circles(),
            "upward": [f"{name} imports {target}" for name, target in graph_js.upward()],
        },
        "crowded": crowded(),
        "needless_exemptions": needless_exemptions(),
    }


def main() -> int:
    """Print the report; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description="Circles, arrows that look up and crowded folders.")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    parser.add_argument("--table", action="store_true", help="the rooms as docs/reference/rooms.md shows them")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return 0
    facts = report()
    print(json.dumps(facts, indent=2) if asked.json else _text(facts))
    return int(any(_faults(facts)))


def _faults(facts: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for part in ("python", "page"):
        yield from (
            (f"{part}: {name}", value) for name, value in facts[part].items() if isinstance(value, list) and value
        )
    yield from ((name, facts[name]) for name in ("crowded", "needless_exemptions") if facts[name])


def _text(facts: dict[str, Any]) -> str:
    python, page = facts["python"], facts["page"]
    lines = [
        f"{python['files']} Python files in {len(ROOMS)} rooms, {python['imports']} imports; "
        f"{page['modules']} modules of the page in {len(graph_js.ROOMS)} rooms",
        f"circles: {len(python['circles'])} between files, {len(python['room_circles'])} between rooms, "
        f"{len(python['circles_with_types'])} with imports for types, {len(page['circles'])} in the page",
        f"upward arrows: {len(python['upward'])}, in the page {len(page['upward'])}",
        f"folders of more than {MOST_FILES} files: {len(facts['crowded'])}"
        + "".join(f"\n  {folder} ({sizes()[folder]}): {why}" for folder, why in CROWDED.items()),
    ]
    for name, value in _faults(facts):
        lines += [f"{name}:", *(f"  {item}" for item in (value.items() if isinstance(value, dict) else value))]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
