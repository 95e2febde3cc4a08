"""Nodes and sessions that grew on another installation, as an imported bundle brings them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arc_fabric.errors import InvalidRequest
from arc_fabric.ids import is_id
from arc_fabric.ledger.core import Core, codec
from arc_fabric.ledger.records import NodeRecord, SessionRecord
from arc_fabric.records import Node, Session, brought

View = Mapping[str, Any]


@dataclass(frozen=True)
class Imported:
    """What an import made; ids that were here already are not in it."""

    nodes: tuple[str, ...]
    sessions: tuple[str, ...]


class Imports:
    """What a bundle brings."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add(self, nodes: Iterable[View], sessions: Iterable[View] = (), *, check_only: bool = False) -> Imported:
        """Make nodes and sessions from their JSON views (`to_dict()`), all or none; their payloads must be stored.

        Sessions come closed, so that they take no slot, and can be reopened; one whose head did not come along ends at
        its last node that did. What is known here stays as it is. With `check_only` nothing is written.

        Raises InvalidRequest (a view is no node, a parent is unknown) and Conflict (an id has another place here).
        """
        records = sorted((_node(view) for view in nodes), key=lambda node: (node.frame_index, node.id))
        made = [_session(*found) for found in _sessions(records, sessions)]
        fields = [node.to_dict() | {"_boot": None} for node in records]
        for one in fields:
            del one["children"]
        closed = [one.to_dict() | {"_epoch": 0, "_boot": None, "_pending": 0, "_prompt_mode": "keep"} for one in made]
        check = "check" if check_only else ""
        answer = self._core.scripts.run("nodes/import", _packed(fields), _packed(closed), check)
        return Imported(tuple(answer[1]), tuple(answer[2]))


def _packed(records: Sequence[Mapping[str, Any]]) -> str:
    return codec.dumps([codec.encode(fields) for fields in records])


def _node(view: View) -> NodeRecord:
    """A checked node; what only its first home knew (worker, job, pin) is left out."""
    if not isinstance(view, Mapping) or not is_id(view.get("id"), "ckp"):
        raise InvalidRequest("The bundle lists a node without a checkpoint id.", hint="Export it again.")
    given, wrong = brought(Node, view)
    root = view.get("parent") is None
    if root != (view.get("frame_index") == 0) or (root and view.get("tree_id") != view["id"]):
        wrong.add("frame_index")
    if wrong:
        raise InvalidRequest(
            f"Node {view['id']} of the bundle is not usable: {', '.join(sorted(wrong))}.", checkpoint_id=view["id"]
        )
    return NodeRecord(**given, durability="durable")


def _sessions(nodes: Sequence[NodeRecord], views: Iterable[View]) -> list[tuple[View, NodeRecord]]:
    """The sessions that made the nodes or stand on one of them, each with its head here."""
    known = {node.id: node for node in nodes}
    given = {view["id"]: view for view in views if isinstance(view, Mapping) and is_id(view.get("id"), "ses")}
    last: dict[str, NodeRecord] = {}
    for node in nodes:
        if node.session_id not in last or node.created >= last[node.session_id].created:
            last[node.session_id] = node
    heads = {i: known[str(view["head"])] for i, view in given.items() if str(view.get("head")) in known}
    return [(given.get(i, {"id": i}), head) for i, head in sorted((last | heads).items())]


def _session(view: View, head: NodeRecord) -> SessionRecord:
    """A closed session at a head that is here; what its view says of itself is taken where it fits."""
    given, wrong = brought(Session, view)
    if view.get("head") != head.id or wrong & {"prompt", "seed"}:
        given |= {"prompt": head.prompt, "seed": head.seed}
    if given.get("parent_checkpoint") is None or given.get("forked_at") is None:
        given |= dict.fromkeys(("parent_session", "parent_checkpoint", "forked_at"))
    times = {name: float(given.get(name, head.created)) for name in ("created", "updated")}
    return SessionRecord(**given | times | {
        "id": view["id"], "state": "closed", "head": head.id, "root": head.tree_id, "tree_id": head.tree_id,
        "frame_index": head.frame_index, "n_frames": head.frames_to_end,
    })  # fmt: skip
