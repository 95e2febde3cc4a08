"""Nodes and trees: reading them, and changing the little that may change."""

from __future__ import annotations

from types import EllipsisType

from arc_fabric.base.terms import ScoreBetter
from arc_fabric.errors import InvalidRequest, NodeNotFound
from arc_fabric.ledger.core import Core, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import NodeRecord, SessionRecord, TreeView
from arc_fabric.ledger.trees.resting import Resting

_LOOKS = 3
"""A tree may go to rest or come back between two looks."""


class Nodes:
    """Checkpoints as nodes of trees."""

    def __init__(self, core: Core, resting: Resting) -> None:
        self._core, self._resting = core, resting

    def many(self, ids: list[str], *, wake: bool = True) -> list[NodeRecord]:
        """Several nodes with their children, in the order given; absent ones are left out, and without `wake` those
        that rest in object storage as well."""
        found = self._here(ids)
        for _ in range(_LOOKS if wake and len(found) < len(ids) else 0):
            known = {node.id for node in found}
            trees = {*self._resting.homes([i for i in ids if i not in known])} - {""}
            for tree_id in sorted(trees):
                self._core.wake(tree_id)
            if not trees:
                break
            found = self._here(ids)
        return found

    def _here(self, ids: list[str]) -> list[NodeRecord]:
        pipe = self._core.redis.pipeline(transaction=False)
        for node_id in ids:
            pipe.hgetall(keys.node(node_id))
            pipe.lrange(keys.children(node_id), 0, -1)
        answers = pipe.execute()
        return [
            NodeRecord.from_fields(codec.decode(stored) | {"children": children})
            for stored, children in zip(answers[::2], answers[1::2], strict=True)
            if stored
        ]

    def known(self, ids: list[str]) -> set[str]:
        """Which of these ids are nodes."""
        pipe = self._core.redis.pipeline(transaction=False)
        for node_id in ids:
            pipe.exists(keys.node(node_id))
        here = {node_id for node_id, there in zip(ids, pipe.execute(), strict=True) if there}
        absent = [node_id for node_id in ids if node_id not in here]
        resting = {node_id for node_id, tree in zip(absent, self._resting.homes(absent), strict=True) if tree}
        if resting == {*absent}:
            return here | resting
        pipe = self._core.redis.pipeline(transaction=False)  # one may have come back between the two looks
        for node_id in absent:
            pipe.exists(keys.node(node_id))
        return here | resting | {i for i, there in zip(absent, pipe.execute(), strict=True) if there}

    def get(self, node_id: str) -> NodeRecord:
        """One node, or NodeNotFound."""
        found = self.many([node_id])
        if not found:
            raise NodeNotFound(f"No node {node_id}.", checkpoint_id=node_id)
        return found[0]

    def tree(self, tree_id: str, cursor: str | None = None, limit: int = 20_000) -> TreeView:
        """A tree's nodes, parents before children, and the sessions that grow in it: at most `limit` of each on a page,
        which `cursor` (how many of each came before) continues."""
        start = int(cursor) if cursor else 0
        if self._core.redis.zscore(keys.RESTING, tree_id) is not None:
            self._core.wake(tree_id)
        ids = texts(self._core.redis.zrange(keys.tree(tree_id), start, start + limit - 1))
        if not ids and cursor is None:
            raise NodeNotFound(f"No tree {tree_id}.", checkpoint_id=tree_id)
        session_ids = texts(self._core.redis.zrange(keys.tree_sessions(tree_id), start, start + limit - 1))
        sessions = self._core.hashes(keys.session(i) for i in session_ids)
        return TreeView(
            tree_id,
            tree_id,
            self.many(ids),
            [SessionRecord.from_fields(s) for s in sessions if s],
            next=str(start + limit) if limit in (len(ids), len(session_ids)) else None,
        )

    def path(self, node_id: str) -> list[str]:
        """Ids from a node up to its root, the node first."""
        ids = self._core.scripts.run("nodes/lineage", node_id)
        if not ids:
            raise NodeNotFound(f"No node {node_id}.", checkpoint_id=node_id)
        return ids

    def lineage(self, node_id: str) -> list[NodeRecord]:
        """The nodes root..node."""
        return self.many(self.path(node_id)[::-1])

    def update(
        self,
        node_id: str,
        *,
        label: str | EllipsisType | None = ...,
        bookmarked: bool | EllipsisType = ...,
        failed: bool | EllipsisType = ...,
        score: float | EllipsisType | None = ...,
        score_better: ScoreBetter | EllipsisType | None = ...,
        note: str | EllipsisType | None = ...,
        tags: list[str] | EllipsisType = ...,
    ) -> NodeRecord:
        """Change what people may change on a node: label, marks, score and which way it is good, note, tags.

        None clears a label, score or note; a field left out stays.
        """
        given = {
            "label": label, "bookmarked": bookmarked, "failed": failed, "score": score, "score_better": score_better,
            "note": note, "tags": tags,
        }  # fmt: skip
        changes = {name: value for name, value in given.items() if value is not ...}
        if not changes:
            raise InvalidRequest("Nothing to change.", hint=f"Give at least one of {', '.join(given)}.")
        self._core.scripts.run("nodes/update", node_id, codec.pack(changes))
        return self.get(node_id)

    def pin(self, node_id: str) -> NodeRecord:
        """Pin a checkpoint: its pieces stay in a worker's host memory and its KV is never dropped, until `unpin`.

        Raises NodeNotFound, CheckpointUnavailable (deleted or damaged), PinLimitReached.
        """
        self._core.scripts.run("nodes/pin", node_id, "true", self._core.limits.max_pinned)
        return self.get(node_id)

    def unpin(self, node_id: str) -> NodeRecord:
        """Undo `pin`; no error when it is not pinned."""
        self._core.scripts.run("nodes/pin", node_id, "false", self._core.limits.max_pinned)
        return self.get(node_id)

    def pinned(self) -> list[str]:
        """Ids of the pinned nodes. Whoever frees storage or memory leaves what they refer to alone."""
        return texts(self._core.redis.zrange(keys.PINNED, 0, -1))

    def set_durability(self, node_id: str, durability: str, *, bytes_new: int | None = None) -> bool:
        """Record that a payload is "durable", "deleted" or "damaged", and what storing it took, where that is known;
        False when there is no such node."""
        told = "" if bytes_new is None else codec.dumps(bytes_new)
        return bool(self._core.scripts.run("nodes/durability", node_id, durability, told)[0] == "ok")

    def pending(self, limit: int = 1000) -> list[str]:
        """Ids of nodes whose payload is not known to be stored, oldest first."""
        return texts(self._core.redis.zrange(keys.PENDING, 0, limit - 1))
