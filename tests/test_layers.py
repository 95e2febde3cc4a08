"""The arrows of ARCHITECTURE.md hold: layers only look down."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tools import graph_js, graph_py, house

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def _read() -> list[graph_py.Import]:
    """Every import of the product, read once."""
    return graph_py.read_all()


def test_no_circle_between_files_or_rooms() -> None:
    """Whatever kind of import makes it, also one that only a type checker follows."""
    assert graph_py.circles(graph_py.edges(_read())) == []
    assert graph_py.circles(house.room_graph(_read())) == []
    assert graph_js.circles() == []


def test_rooms_only_look_down() -> None:
    """A room imports only what the table lets it, and the table only lets it look down."""
    assert house.homeless(graph_py.files()) == []
    assert house.misordered() == []
    assert house.upward(_read()) == []
    assert graph_js.upward() == []


def test_a_room_imports_only_the_packages_it_may() -> None:
    """No torch in the web, no Flask and no Celery in the SDK: every package from elsewhere is named per room."""
    assert house.strangers(_read()) == []


def test_no_folder_is_crowded() -> None:
    """Sixteen source files, or a reason; a reason that is no longer needed goes."""
    assert house.crowded() == {}
    assert house.needless_exemptions() == []


def test_the_docs_show_the_table_of_rooms() -> None:
    """docs/reference/rooms.md says what the table says: `python -m tools.house --table` prints what belongs there."""
    assert house.table() in (ROOT / "docs" / "reference" / "rooms.md").read_text()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("webapp/api/jobs.py", "def f():\n    import workers.process.process", "may not use workers/process"),
        (
            "arc_fabric/store/read/reader.py",
            "from arc_fabric.store import snapshots",
            "may not use arc_fabric/store:snapshots",
        ),
        ("arc_fabric/ledger/jobs.py", "from arc_fabric.store.backends import Backend", "may not use"),
    ],
)
def test_an_arrow_that_looks_up_is_seen(file: str, text: str, says: str) -> None:
    """Also inside a function."""
    (told,) = house.upward(graph_py.imports(file, text))
    assert says in told


def test_a_package_that_does_not_belong_is_seen() -> None:
    """Also below TYPE_CHECKING."""
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
    (told,) = house.strangers(graph_py.imports("webapp/app.py", text))
    assert told == "webapp/app.py:3 imports torch (types): webapp:app may not use it"


def test_a_circle_is_seen() -> None:
    """Through any number of files."""
    assert graph_py.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    "module",
    [
        "webapp.app",
        "arc_fabric.client",
        "arc_fabric.ledger",
        "arc_fabric.queue.dispatch",
        "arc_fabric.store.read.reader",
    ],
)
def test_modules_without_torch_load_without_torch(module: str) -> None:
    """Importing the web, the client or a reader does not load torch, also not through others."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60, cwd=ROOT).returncode == 0


def test_nothing_stored_or_received_is_unpickled_or_evaluated() -> None:
    """No pickle, eval, exec or shell anywhere in the product."""
    barred = {"pickle", "shelve", "marshal", "dill"}
    found = [f"{each.file} imports {each.name}" for each in _read() if each.name.split(".")[0] in barred]
    for room in ("arc_fabric", "workers", "webapp"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                    found.append(f"{path.name}:{node.lineno} calls {node.func.id}")
    assert found == []
