"""The page's rooms: modules import no circle, rooms only look down, and none is crowded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import graph_js


def test_no_module_imports_itself_through_others() -> None:
    """No circle."""
    assert graph_js.circles() == []


def test_rooms_only_look_down() -> None:
    """A room imports from those below it alone; every room has its place in the order."""
    assert graph_js.upward() == []


def test_no_room_is_crowded() -> None:
    """At most 16 modules in a folder."""
    assert {name: count for name, count in graph_js.sizes().items() if count > graph_js.LARGEST_ROOM} == {}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A page with a circle of three over two rooms, and an import that looks up."""
    texts = {
        "state/a.js": 'import { b } from "../ui/b.js"; // import "./n.js"\n/** @type {import("../tree/t.js").T} */',
        "ui/b.js": 'export { c } from "./c.js";',
        "ui/c.js": 'const later = () => import("../state/a.js");',
        "ui/d.js": 'import "./c.js";',
        "tree/t.js": 'import { d } from "../ui/d.js";',
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_form_of_import_counts(made: Path) -> None:
    """`import`, `export from` and `import()`; not comments, not types."""
    assert graph_js.edges(made) == {
        "state/a.js": {"ui/b.js"}, "ui/b.js": {"ui/c.js"}, "ui/c.js": {"state/a.js"}, "ui/d.js": {"ui/c.js"},
        "tree/t.js": {"ui/d.js"},
    }  # fmt: skip


def test_circles_and_upward_imports_are_seen(made: Path) -> None:
    """The circle with its members and no bystander; the import from below."""
    assert graph_js.circles(made) == [["state/a.js", "ui/b.js", "ui/c.js"]]
    assert graph_js.upward(made) == [("state/a.js", "ui/b.js")]


def test_an_import_that_leads_nowhere_is_an_error(made: Path) -> None:
    """It is named."""
    (made / "ui/c.js").unlink()
    with pytest.raises(FileNotFoundError, match=r"ui/c\.js"):
        graph_js.edges(made)
