"""Nodes and sessions that grew on another installation, as an imported bundle brings them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

from arc_fabric.errors import InvalidRequest
from arc_fabric.ids import is_id
from arc_fabric.ledger.core import Core, codec
from arc_fabric.ledger.records import NodeRecord, SessionRecord

_NODE_TYPES: Mapping[str, tuple[type, ...]] = {
    "parent": (str, NoneType), "session_id": (str,), "tree_id": (str,), "frame_index": (int,), "created": (int, float),
    "prompt": (str,), "seed": (int, NoneType), "prompt_mode": (str,), "action_source": (str, NoneType),
    "actions": (list, NoneType), "state": (list, NoneType), "label": (str, NoneType), "bookmarked": (bool,),
    "failed": (bool,), "score": (int, float, NoneType), "bytes_new": (int,), "bytes_total": (int,),
    "wall_s": (int, float), "window_start": (int, NoneType), "n_frames": (int,),
}  # fmt: skip
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
    wrong = [n for n, types in _NODE_TYPES.items() if n not in view or not _is(view[n], types)]
    wrong += [n for n in ("parent", "tree_id") if view.get(n) is not None and not is_id(view[n], "ckp")]
    wrong += [] if is_id(view.get("session_id"), "ses") else ["session_id"]
    root = view.get("parent") is None
    if root != (view.get("frame_index") == 0) or (root and view.get("tree_id") != view["id"]):
        wrong.append("frame_index")
    if wrong:
        raise InvalidRequest(
            f"Node {view['id']} of the bundle is not usable: {', '.join(sorted(set(wrong)))}.", checkpoint_id=view["id"]
        )
    known = {name: view[name] for name in ("id", *_NODE_TYPES, "steered", "observed") if name in view}
    return NodeRecord(**known, durability="durable")


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
    here = view.get("head") == head.id
    per_step = head.n_frames if head.frame_index else 0
    text = {name: view[name] for name in ("label", "model") if isinstance(view.get(name), str)}
    times = {n: float(view[n]) if _is(view.get(n), (int, float)) else head.created for n in ("created", "updated")}
    record = SessionRecord(
        id=view["id"], state="closed", bulk=view.get("bulk") is True, prompt=head.prompt, seed=head.seed,
        head=head.id, root=head.tree_id, tree_id=head.tree_id, frame_index=head.frame_index,
        n_frames=1 + per_step * head.frame_index, **text, **times,
    )  # fmt: skip
    if here and _is(view.get("prompt"), (str,)) and _is(view.get("seed"), (int, NoneType)):
        record.prompt, record.seed = view["prompt"], view["seed"]
    if _is(view.get("embodiment_id"), (int,)):
        record.embodiment_id = view["embodiment_id"]
    if is_id(view.get("parent_checkpoint"), "ckp") and _is(view.get("forked_at"), (int,)):
        record.parent_checkpoint, record.forked_at = view["parent_checkpoint"], view["forked_at"]
        record.parent_session = view["parent_session"] if is_id(view.get("parent_session"), "ses") else None
    return record


def _is(value: object, types: tuple[type, ...]) -> bool:
    """isinstance, but a truth value is no number, and every number is finite, also in lists."""
    if isinstance(value, bool):
        return bool in types
    if isinstance(value, list):
        return list in types and all(_is(item, (int, float, list)) for item in value)
    return isinstance(value, types) and not (isinstance(value, float) and not math.isfinite(value))
