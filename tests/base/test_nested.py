"""A tree as nested JSON: of any depth, children in their order."""

from __future__ import annotations

import json

from arc_fabric.base import nested


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
