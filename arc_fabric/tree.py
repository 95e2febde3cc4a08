"""The tree of what happened: one node per checkpoint, append-only, JSON-safe, without torch.

>>> tree = TrajectoryTree()
>>> for id, parent in [("a", None), ("b", "a"), ("c", "b"), ("d", "b")]:
...     node = tree.add_node(TreeNode(id, parent, session_id="ses", frame_index=len(tree) and 1))
>>> [node.id for node in tree.get_lineage("d")], [node.id for node in tree.get_branch("d")]
(['a', 'b', 'd'], ['d'])
>>> tree.to_d3_tree()["children"][0]["name"]
'step 1'
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from arc_fabric.base.nested import nested_json, step_name
from arc_fabric.errors import InvalidRequest, NodeNotFound


@dataclass(frozen=True)
class TreeNode:
    """What is known of one checkpoint. Its place in the tree never changes; `metadata` is free and
    JSON-safe."""

    id: str
    """The checkpoint's id."""
    parent: str | None
    session_id: str
    frame_index: int
    created: float = field(default_factory=time.time)
    prompt: str = ""
    seed: int = 0
    prompt_mode: str | None = None
    model_settings: dict[str, float] = field(default_factory=dict)
    """Of the model's settings per session those that its step had otherwise than by default."""
    action_source: str | None = None
    steered: bool | None = None
    """Whether the given actions steered the world; None where none were given."""
    actions: list[list[float]] | None = None
    """[action_horizon][action_dim] of the step that led here."""
    n_frames: int = 0
    """Video frames this node adds."""
    window_start: int = 0
    label: str | None = None
    failed: bool = False
    score: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> TreeNode:
        """Inverse of `to_dict`; what it does not know (`children`) is left out."""
        names = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in body.items() if name in names})


class TrajectoryTree:
    """Nodes in the order they were added; every node but a root has a parent that was added before it."""

    def __init__(self) -> None:
        self._nodes: dict[str, TreeNode] = {}
        self._children: dict[str | None, list[str]] = {None: []}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    def __repr__(self) -> str:
        return f"<TrajectoryTree of {len(self)} nodes, {len(self.roots)} roots, {len(self.get_leaves())} leaves>"

    def __iter__(self) -> Iterator[TreeNode]:
        return iter(list(self._nodes.values()))

    @property
    def roots(self) -> list[TreeNode]:
        """The nodes without a parent."""
        return [self._nodes[i] for i in self._children[None]]

    def add_node(self, node: TreeNode) -> TreeNode:
        """Append a node. Raises InvalidRequest if its id is taken or it is not JSON-safe, NodeNotFound if its
        parent is not in the tree."""
        if node.id in self._nodes:
            raise InvalidRequest(f"Node {node.id} exists; nodes are never replaced.", node=node.id)
        if node.parent is not None and node.parent not in self._nodes:
            raise NodeNotFound(f"The parent {node.parent} of node {node.id} is not in the tree.", node=node.parent)
        _require_json(node)
        self._nodes[node.id] = node
        self._children[node.id] = []
        self._children[node.parent].append(node.id)
        return node

    def get_node(self, node_id: str) -> TreeNode:
        """The node with this id."""
        try:
            return self._nodes[node_id]
        except KeyError:
            raise NodeNotFound(f"Node {node_id} is not in the tree.", node=node_id) from None

    def label(self, node_id: str, label: str | None) -> TreeNode:
        """Name a node; None takes its name away."""
        node = self._nodes[node_id] = replace(self.get_node(node_id), label=label)
        return node

    def mark(
        self, node_id: str, score: float | None, *, better: str | None = None, failed: bool | None = None
    ) -> TreeNode:
        """Note a score (in `metadata` as `score_better` which way is good) and, where it is given, a failure."""
        node = self.get_node(node_id)
        metadata = node.metadata if better is None else node.metadata | {"score_better": better}
        changed = node.failed if failed is None else failed
        self._nodes[node_id] = node = replace(node, score=score, failed=changed, metadata=metadata)
        return node

    def get_children(self, node_id: str) -> list[TreeNode]:
        """The children of a node, oldest first."""
        self.get_node(node_id)
        return [self._nodes[i] for i in self._children[node_id]]

    def get_lineage(self, node_id: str) -> list[TreeNode]:
        """The path from the root to the node, both included."""
        path = [self.get_node(node_id)]
        while path[-1].parent is not None:
            path.append(self._nodes[path[-1].parent])
        return path[::-1]

    def get_branch(self, node_id: str) -> list[TreeNode]:
        """The end of the lineage that no other branch shares: from after the last fork point to the node."""
        branch = [self.get_node(node_id)]
        while (parent := branch[-1].parent) is not None and len(self._children[parent]) == 1:
            branch.append(self._nodes[parent])
        return branch[::-1]

    def get_leaves(self) -> list[TreeNode]:
        """The nodes without children."""
        return [node for node in self if not self._children[node.id]]

    def common_ancestor(self, first: str, second: str) -> TreeNode | None:
        """The last node that two lineages share; None if they have different roots."""
        shared = None
        for a, b in zip(self.get_lineage(first), self.get_lineage(second), strict=False):
            if a.id != b.id:
                break
            shared = a
        return shared

    def to_dict(self) -> dict[str, Any]:
        """`{"roots": [ids], "nodes": [node + its children's ids]}`, parents before children."""
        nodes = [node.to_dict() | {"children": list(self._children[node.id])} for node in self]
        return {"roots": list(self._children[None]), "nodes": nodes}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> TrajectoryTree:
        """Inverse of `to_dict`."""
        tree = cls()
        for node in body["nodes"]:
            tree.add_node(TreeNode.from_dict(node))
        return tree

    def to_d3_tree(self) -> dict[str, Any]:
        """Nested `{id, name, ..., children: [...]}` as d3.hierarchy takes it; several roots get a common one.

        A very long lineage nests deeper than `json.dumps` can follow: use `to_d3_json`.
        """
        nested = {node.id: self._shown(node.id) | {"children": []} for node in self}
        for node in self:
            if node.parent is not None:
                nested[node.parent]["children"].append(nested[node.id])
        tops = [nested[i] for i in self._children[None]]
        return tops[0] if len(tops) == 1 else {"id": None, "name": "worlds", "children": tops}

    def to_d3_json(self) -> str:
        """`to_d3_tree` as JSON text, for any depth."""
        tops = [nested_json(top, self._shown, self._children.__getitem__) for top in self._children[None]]
        return tops[0] if len(tops) == 1 else '{"id":null,"name":"worlds","children":[' + ",".join(tops) + "]}"

    def _shown(self, node_id: str) -> dict[str, Any]:
        node = self._nodes[node_id]
        return node.to_dict() | {"name": step_name(node.label, node.frame_index)}


def _require_json(node: TreeNode) -> None:
    try:
        json.dumps(node.to_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(
            f"Node {node.id} is not JSON-safe: {error}.",
            hint="Use plain numbers, strings, lists and dicts; no NaN.",
        ) from error
