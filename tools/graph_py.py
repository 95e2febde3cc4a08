"""What the Python modules of the product import from each other.

An import is of one of three kinds: `load` (run when the module is loaded), `call` (inside a function: run later, and as
much a dependency) and `types` (below `if TYPE_CHECKING`: never run).
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("arc_fabric", "workers", "webapp", "celeryconfig.py")
RUN = ("load", "call")
"""The kinds of imports that run."""
ALL = (*RUN, "types")


@dataclass(frozen=True, order=True)
class Import:
    """One import: the importing file (relative to the root), what it names, where, and of which kind."""

    file: str
    name: str
    line: int
    kind: str


def files(root: Path = ROOT, places: Iterable[str] = PRODUCT) -> list[str]:
    """The Python files below these folders, relative to the root, sorted."""
    found: list[str] = []
    for place in places:
        path = root / place
        found += [place] if path.is_file() else [p.relative_to(root).as_posix() for p in path.rglob("*.py")]
    return sorted(found)


def module(file: str) -> str:
    """The dotted name of a file."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(file: str, text: str) -> Iterator[Import]:
    """Every import of a file; `from a import b` names a.b. Raises `ValueError` for a relative one."""
    yield from _Reader(file).read(ast.parse(text))


class _Reader:
    """Walks one file, and knows whether it is inside a function or below TYPE_CHECKING."""

    def __init__(self, file: str) -> None:
        self._file = file

    def read(self, node: ast.AST, kind: str = "load") -> Iterator[Import]:
        """The imports in a node and below it."""
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for inside, its_kind in ((node.body, "types"), (node.orelse, kind)):
                for statement in inside:
                    yield from self.read(statement, its_kind)
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and kind == "load":
            kind = "call"
        for name in self._names(node):
            yield Import(self._file, name, getattr(node, "lineno", 0), kind)
        for child in ast.iter_child_nodes(node):
            yield from self.read(child, kind)

    def _names(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{self._file}:{node.lineno}: a relative import; write the whole name")
            return [f"{node.module}.{alias.name}" for alias in node.names]
        return []


def read_all(root: Path = ROOT) -> list[Import]:
    """Every import of every file of the product."""
    return [found for file in files(root) for found in imports(file, (root / file).read_text())]


def target(name: str, known: dict[str, str]) -> str | None:
    """The file that an imported name leads to, by the files' modules; None for one that is not ours."""
    while name:
        if name in known:
            return known[name]
        name = name.rpartition(".")[0]
    return None


def edges(found: Iterable[Import], kinds: Collection[str] = ALL) -> dict[str, set[str]]:
    """For every file the files of the product that it imports, by imports of these kinds."""
    known = {module(file): file for file in files()}
    graph: dict[str, set[str]] = {file: set() for file in known.values()}
    for each in found:
        other = target(each.name, known)
        if each.kind in kinds and other is not None and other != each.file:
            graph[each.file].add(other)
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, sorted."""
    reached = {node: _reached(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reached[node] if node in reached[other])) for node in graph}
    return sorted(list(group) for group in groups if group)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found
