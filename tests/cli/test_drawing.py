"""How trees and series are drawn, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from arc_fabric.cli.remote.compare import sparkline
from arc_fabric.cli.remote.tree import draw, segments


def node(name: str, parent: str | None, index: int, session: str = "a", **more: Any) -> dict[str, Any]:
    """A node as the API gives it, as far as drawing looks at it."""
    base = {"id": name, "parent": parent, "frame_index": index, "session_id": session, "prompt": "p", "seed": 7}
    marks = {"failed": False, "label": None, "bookmarked": False, "score": None, "durability": "durable"}
    return base | marks | {"bytes_new": 1024} | more


def session(name: str, head: str, created: float) -> dict[str, Any]:
    """A session as far as drawing looks at it."""
    return {"id": name, "head": head, "created": created, "state": "open", "label": name, "prompt": "p"}


def test_a_run_of_steps_is_one_segment_however_long() -> None:
    """A trajectory of thousands of steps is one line, and no recursion limit is met."""
    nodes = [node("n0", None, 0), *(node(f"n{i}", f"n{i - 1}", i) for i in range(1, 5001))]
    first = segments(nodes, "n0", heads=["n5000"])
    assert len(first.nodes) == 5001
    assert first.branches == []


def test_forks_marks_and_heads_cut_segments() -> None:
    """A segment ends where branches part, where a head stands, and where a node carries a mark."""
    nodes = [node("n0", None, 0), node("n1", "n0", 1), node("n2", "n1", 2, label="here"), node("n3", "n2", 3)]
    nodes += [node("m3", "n2", 3, "b", prompt="other")]
    first = segments(nodes, "n0", heads=["n3", "m3"])
    assert [part["id"] for part in first.nodes] == ["n0", "n1", "n2"]
    assert sorted(branch.nodes[0]["id"] for branch in first.branches) == ["m3", "n3"]
    assert [part["id"] for part in segments(nodes, "n0", heads=["n0"]).nodes] == ["n0"]


def test_a_drawing_shows_branches_sizes_failures_and_heads(capsys: pytest.CaptureFixture[str]) -> None:
    """The picture has what a person looks for."""
    nodes = [
        node("n0", None, 0),
        node("n1", "n0", 1),
        node("m1", "n0", 1, "b", failed=True, score=2.5, durability="pending"),
    ]
    facts = {"tree_id": "n0", "root": "n0", "nodes": nodes, "sessions": [session("b", "m1", 2), session("a", "n1", 1)]}
    draw(facts)
    text = capsys.readouterr().out
    for expected in ("0 ", "● 1", "A p", "B p", "1.0 KiB", "✗ failed", "score 2.5", "1 pending", "◀ head"):
        assert expected in text
    draw({"tree_id": None, "root": None, "nodes": [], "sessions": []})
    assert "empty" in capsys.readouterr().out


def test_marks_are_glyphs_with_a_legend(capsys: pytest.CaptureFixture[str]) -> None:
    """A pinned checkpoint has a line and a glyph of its own; the legend explains the marks that occur, no others."""
    nodes = [node("n0", None, 0), node("n1", "n0", 1, pinned=True), node("n2", "n1", 2, bookmarked=True)]
    facts = {"tree_id": "n0", "root": "n0", "nodes": nodes, "sessions": [session("a", "n2", 1)]}
    draw(facts)
    lines = capsys.readouterr().out.splitlines()
    assert ["⚲ pinned" in line for line in lines if "● 0-1" in line] == [True]
    assert ["★" in line for line in lines if "● 2" in line] == [True]
    assert "⚲ kept in a worker's memory" in lines[-1]
    assert "★ bookmarked" in lines[-1]
    assert "failed" not in lines[-1]
    draw(facts | {"nodes": [node("n0", None, 0)], "sessions": [session("a", "n0", 1)]})
    assert "⚲" not in capsys.readouterr().out


def test_markup_in_a_prompt_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A prompt cannot colour the terminal."""
    facts = {"tree_id": "n0", "root": "n0", "nodes": [node("n0", None, 0, prompt="[red]x[/]")], "sessions": []}
    draw(facts)
    assert "[red]x[/]" in capsys.readouterr().out


def test_sparkline_marks_gaps() -> None:
    """A missing value is a dot; all zeros draw nothing."""
    assert sparkline([None, 1.0]) == "·█"
    assert sparkline([0.0, 0.0]) == "  "
    assert sparkline([]) == ""
