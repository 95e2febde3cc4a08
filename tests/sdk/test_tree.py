"""The trajectory tree: append-only, JSON-safe, as deep as anyone needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from arc_fabric import TrajectoryTree, TreeNode
from arc_fabric.errors import InvalidRequest, NodeNotFound


def grow(*pairs: tuple[str, str | None]) -> TrajectoryTree:
    """A tree of (id, parent) pairs."""
    tree = TrajectoryTree()
    for node_id, parent in pairs:
        depth = 0 if parent is None else tree.get_node(parent).frame_index + 1
        tree.add_node(TreeNode(node_id, parent, "ses", depth, created=0.0))
    return tree


def ids(nodes: list[TreeNode]) -> str:
    """Node ids as one word."""
    return "".join(node.id for node in nodes)


@pytest.fixture
def tree() -> TrajectoryTree:
    """a - b - c - d, with e - f forked from b and g from e."""
    return grow(("a", None), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "b"), ("f", "e"), ("g", "e"))


def test_lineage_branch_and_children(tree: TrajectoryTree) -> None:
    """The lineage starts at the root; the branch after the last fork point."""
    assert ids(tree.get_lineage("g")) == "abeg"
    assert ids(tree.get_branch("d")) == "cd"
    assert ids(tree.get_branch("g")) == "g"
    assert ids(tree.get_branch("b")) == "ab"
    assert ids(tree.get_children("b")) == "ce"
    assert ids(tree.get_leaves()) == "dfg"
    assert ids(tree.roots) == "a"
    assert tree.common_ancestor("d", "g").id == "b"


def test_nodes_are_only_appended(tree: TrajectoryTree) -> None:
    """An id is taken for ever; a parent must be there first; nodes cannot be changed."""
    with pytest.raises(InvalidRequest, match="never replaced"):
        tree.add_node(TreeNode("c", "a", "ses", 1))
    with pytest.raises(NodeNotFound):
        tree.add_node(TreeNode("z", "y", "ses", 1))
    with pytest.raises(AttributeError):
        tree.get_node("a").parent = "b"
    assert len(tree) == 7


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"bytes"])
def test_metadata_is_json_safe(tree: TrajectoryTree, value: object) -> None:
    """What JSON cannot hold is refused, and nothing is added."""
    with pytest.raises(InvalidRequest, match="JSON-safe"):
        tree.add_node(TreeNode("h", "a", "ses", 1, metadata={"value": value}))
    assert "h" not in tree


def test_it_comes_back_from_its_dictionary(tree: TrajectoryTree) -> None:
    """Also through JSON text."""
    again = TrajectoryTree.from_dict(json.loads(json.dumps(tree.to_dict())))
    assert again.to_dict() == tree.to_dict()


def test_d3_export_is_nested_and_equals_its_text(tree: TrajectoryTree) -> None:
    """Every node once, with name and children."""
    nested = tree.to_d3_tree()
    assert [child["id"] for child in nested["children"][0]["children"]] == ["c", "e"]
    assert nested["name"] == "step 0"
    assert json.loads(tree.to_d3_json()) == nested


def test_several_worlds_get_a_common_root() -> None:
    """d3 wants one root."""
    forest = grow(("a", None), ("b", None), ("c", "b"))
    assert [child["id"] for child in forest.to_d3_tree()["children"]] == ["a", "b"]
    assert json.loads(forest.to_d3_json()) == forest.to_d3_tree()


def test_twenty_thousand_nodes_in_a_row() -> None:
    """No part of it recurses."""
    tree = grow(("0", None), *((str(i), str(i - 1)) for i in range(1, 20_000)))
    assert len(tree.get_lineage("19999")) == len(tree.get_branch("19999")) == 20_000
    assert tree.to_d3_json().count('"children"') == 20_000
    assert len(TrajectoryTree.from_dict(tree.to_dict())) == 20_000
    nested, depth = tree.to_d3_tree(), 1
    while nested["children"]:
        nested, depth = nested["children"][0], depth + 1
    assert depth == 20_000


def test_unknown_nodes_are_named(tree: TrajectoryTree) -> None:
    """By every reader."""
    for read in (tree.get_node, tree.get_children, tree.get_lineage, tree.get_branch):
        with pytest.raises(NodeNotFound, match="nope"):
            read("nope")


def test_the_tree_does_not_need_torch() -> None:
    """The web draws trees and never loads torch."""
    code = "import sys, arc_fabric.tree, arc_fabric; arc_fabric.TrajectoryTree; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
