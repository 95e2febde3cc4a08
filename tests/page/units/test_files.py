"""What the page is made of: small, plain, local, nothing that a strict content security policy forbids."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from tools import graph_js

WEBAPP = Path(__file__).resolve().parents[3] / "webapp"
STATIC = WEBAPP / "static"
JS = STATIC / "js"
MODULES = sorted(JS.rglob("*.js"))
UNITS = sorted(Path(__file__).parent.rglob("*.js"))
IMPORTED = re.compile(r"^(?:import|/?[* ]+@import) \{([^}]+)\} from", re.M)
LARGEST_PAGE = 700_000
LONGEST_MODULE = 300


def test_the_whole_page_is_small() -> None:
    """Everything a browser loads is under 700 kB, d3 included."""
    files = [path for path in STATIC.rglob("*") if path.is_file()] + [WEBAPP / "templates" / "index.html"]
    assert sum(path.stat().st_size for path in files) < LARGEST_PAGE


@functools.cache
def _edges() -> dict[str, set[str]]:
    """Who imports whom."""
    return graph_js.edges()


@functools.cache
def _text(path: Path) -> str:
    return path.read_text()


def named(path: Path) -> str:
    """The module's name in the graph."""
    return path.relative_to(JS).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_modules_are_small_and_used(path: Path) -> None:
    """A module has at most 300 lines, says what it is for, and something imports it."""
    text = _text(path)
    assert text.count("\n") <= LONGEST_MODULE
    assert text.startswith(("/**", "//"))
    if path.name in ("main.js", "theme-boot.js"):
        assert f"static/js/{path.name}" in (WEBAPP / "templates" / "index.html").read_text()
    elif path.name != "types.js":
        assert any(named(path) in targets for targets in _edges().values())


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_dead_exports(path: Path) -> None:
    """Another module or its unit test imports every export, by name or through its module, or names it as a type."""
    others = [_text(other) for other in [*MODULES, *UNITS] if other != path]
    imported = {name for text in others for part in IMPORTED.findall(text) for name in re.findall(r"\w+", part)}
    whole = {f"{alias}.{name}" for text in others for alias, name in re.findall(r"\b(api)\.(\w+)", text)}
    for name in re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", path.read_text(), re.M):
        assert name in imported or f"{path.stem}.{name}" in whole, f"{path.name} exports {name}, nobody imports it"


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    """No inline script or style, no HTML from strings, no address of another host."""
    html = (WEBAPP / "templates" / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", html)
    for path in [*MODULES, *sorted((STATIC / "css").glob("*.css"))]:
        text = path.read_text()
        assert "innerHTML" not in text
        assert "eval(" not in text
        assert not re.search(r"https?://(?!www\.w3\.org)", text), path.name


def test_no_key_means_two_things() -> None:
    """Keys, help and palette read one table, and no key stands in it twice."""
    table = (JS / "shell" / "commands.js").read_text()
    keys = [
        key for names in re.findall(r'command\("[^"]+", \[([^]]*)\]', table) for key in re.findall(r'"([^"]+)"', names)
    ]
    assert len(keys) > 30
    assert sorted(set(keys)) == sorted(keys)
