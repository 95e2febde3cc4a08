"""Nodes and sessions that grew on another installation, as an imported bundle brings them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.ids import is_id, new_id
from arc_fabric.ledger.core import Core, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import NodeRecord, SessionRecord
from arc_fabric.ledger.trees.resting import Resting
from arc_fabric.records import Node, Session, brought

T = TypeVar("T")
View = Mapping[str, Any]
SLICE = 200
"""Records per script: Redis serves nobody else meanwhile."""
STAGED_S = 86_400
"""How long what is not shown yet is kept."""
_ROLE, _HELD_MS = "import", 60_000
"""One import at a time."""


@dataclass(frozen=True)
class Imported:
    """What an import made; ids that were here already are not in it."""

    nodes: tuple[str, ...]
    sessions: tuple[str, ...]


class Imports:
    """What a bundle brings."""

    def __init__(self, core: Core, resting: Resting) -> None:
        self._core, self._resting = core, resting

    def add(self, nodes: Iterable[View], sessions: Iterable[View] = (), *, check_only: bool = False) -> Imported:
        """Make nodes and sessions from their JSON views (`to_dict()`), all or none; their payloads must be stored. What
        is cut off while it is shown, the next import or the janitor finishes.

        Sessions come closed, so that they take no slot, and can be reopened; one whose head did not come along ends at
        its last node that did. What is known here stays as it is. With `check_only` nothing is written.

        Raises InvalidRequest (a view is no node, a parent is unknown) and Conflict (an id has another place here).
        """
        self.finish()
        records = sorted((_node(view) for view in nodes), key=lambda node: (node.frame_index, node.id))
        made = [_session(*found) for found in _sessions(records, sessions)]
        while True:
            new = Imported(self._new_nodes(records, made), self._new_sessions(made))
            if check_only or not (new.nodes or new.sessions):
                return new
            token = new_id("imp")
            try:
                if self._bring(token, new, records, made):
                    return new
            finally:
                if self._core.redis.get(keys.role(_ROLE)) == token:
                    self._core.redis.delete(keys.role(_ROLE))

    def _new_nodes(self, records: Sequence[NodeRecord], made: Sequence[SessionRecord]) -> tuple[str, ...]:
        """Those that are not here, each checked against what is here and what comes before it."""
        sessions, before, found = {session.id for session in made}, dict[str, NodeRecord](), []
        for some in _slices(records):
            asked = []
            for node in some:
                parent = before.get(str(node.parent))
                if parent is not None:
                    _check_place(node, parent)
                comes = parent is not None, node.session_id in sessions
                asked.append((node.id, node.parent or "", node.tree_id, node.session_id, *comes, node.frame_index))
                before[node.id] = node
            found += self._core.scripts.run("nodes/new", codec.dumps(asked))[1]
        return tuple(found)

    def _new_sessions(self, made: Sequence[SessionRecord]) -> tuple[str, ...]:
        pipe = self._core.redis.pipeline(transaction=False)
        for session in made:
            pipe.exists(keys.session(session.id))
        absent = [session.id for session, there in zip(made, pipe.execute(), strict=True) if not there]
        resting = self._resting.sessions(absent)
        return tuple(session_id for session_id in absent if session_id not in resting)

    def _bring(self, token: str, new: Imported, records: Sequence[NodeRecord], made: Sequence[SessionRecord]) -> bool:
        """Write what is new, in slices that nobody sees, then show it, in slices as well. False where that took too
        long: what lies beside is then gone after a day."""
        ids, sizes = {*new.nodes, *new.sessions}, Counter[str]()
        for number, some in enumerate(_slices([node for node in records if node.id in ids])):
            fields = [node.to_dict() | {"_boot": None} for node in some]
            places: list[int] = []
            for one in fields:
                del one["children"]
                sizes[one["tree_id"]] += 1
                places.append(sizes[one["tree_id"]])
            self._stage(token, f"nodes {number}", fields, [], places)
        hidden = {"_epoch": 0, "_boot": None, "_pending": 0, "_prompt_mode": "keep"}
        for number, some_made in enumerate(_slices([session for session in made if session.id in ids])):
            closed = [session.to_dict() | hidden for session in some_made]
            self._stage(token, f"sessions {number}", [], closed, [])
        return self._show(token)

    def finish(self) -> None:
        """Show what is left of imports that were cut off while they were shown."""
        for token in sorted(texts(self._core.redis.smembers(keys.PUBLISHING))):
            self._show(token)

    def _show(self, token: str) -> bool:
        answer = "more"
        while answer == "more":
            answer = self._core.scripts.run("nodes/publish", token, STAGED_S // 2, SLICE)[0]
        return answer == "ok"

    def _stage(
        self,
        token: str,
        part: str,
        nodes: Sequence[Mapping[str, Any]],
        sessions: Sequence[Mapping[str, Any]],
        places: Sequence[int],
    ) -> None:
        if self._core.scripts.run("workers/hold", _ROLE, token, _HELD_MS)[0] != "ok":
            raise Conflict("Another import is under way.", hint="Try again when it has ended.")
        packed = (_packed(nodes), _packed(sessions), codec.dumps(places))
        self._core.scripts.run("nodes/stage", token, *packed, part, STAGED_S)


def _slices(records: Sequence[T]) -> Iterator[Sequence[T]]:
    return (records[start : start + SLICE] for start in range(0, len(records), SLICE))


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
    if given.get("n_frames", 0) < 1 or (root and given["n_frames"] != 1):
        wrong.add("n_frames")
    if len({len(action) for action in given.get("actions") or ()}) > 1:
        wrong.add("actions")
    if wrong:
        raise InvalidRequest(
            f"Node {view['id']} of the bundle is not usable: {', '.join(sorted(wrong))}.", checkpoint_id=view["id"]
        )
    return NodeRecord(**given, durability="durable")


def _check_place(node: NodeRecord, parent: NodeRecord) -> None:
    """Against the parent that comes along. Raises InvalidRequest."""
    if parent.tree_id != node.tree_id:
        raise InvalidRequest(f"Checkpoint {node.id} names another tree than its parent.", checkpoint_id=node.id)
    if parent.frame_index + 1 != node.frame_index:
        raise InvalidRequest(f"Checkpoint {node.id} is not one step after its parent.", checkpoint_id=node.id)


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
    if view.get("head") != head.id or wrong & {"prompt", "seed", "model_settings"}:
        given |= {"prompt": head.prompt, "seed": head.seed, "model_settings": head.model_settings}
    if given.get("parent_checkpoint") is None or given.get("forked_at") is None:
        given |= dict.fromkeys(("parent_session", "parent_checkpoint", "forked_at"))
    times = {name: float(given.get(name, head.created)) for name in ("created", "updated")}
    return SessionRecord(**given | times | {
        "id": view["id"], "state": "closed", "head": head.id, "root": head.tree_id, "tree_id": head.tree_id,
        "frame_index": head.frame_index, "n_frames": head.frames_to_end,
    })  # fmt: skip
