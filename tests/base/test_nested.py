"""A tree as nested JSON: of any depth, children in their order. Examples in the base rooms' docstrings hold."""

from __future__ import annotations

import doctest
import json
from types import ModuleType

import pytest

from arc_fabric import ids
from arc_fabric.base import frames, nested


@pytest.mark.parametrize("room", [frames, nested, ids], ids=lambda room: room.__name__)
def test_examples(room: ModuleType) -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(room).failed == 0


def test_children_keep_their_order() -> None:
    """Three below the root, two below the second of them."""
    below = {"r": ["a", "b", "c"], "a": [], "b": ["x", "y"], "c": [], "x": [], "y": []}
    tree = json.loads(nested.nested_json("r", lambda node: {"id": node}, below.__getitem__))
    assert [child["id"] for child in tree["children"]] == ["a", "b", "c"]
    assert [child["id"] for child in tree["children"][1]["children"]] == ["x", "y"]


def test_a_trunk_deeper_than_python_recurses() -> None:
    """Every node is there."""
    text = nested.nested_json("0", lambda node: {"id": node}, lambda n: [str(int(n) + 1)] if int(n) < 20_000 else [])
    assert text.count('"children"') == 20_001 and text.endswith("]}" * 20_001)
