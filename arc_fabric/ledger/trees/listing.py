"""Trees as a list: those that are here and those that rest, the newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from arc_fabric.errors import NotFound
from arc_fabric.ledger.core import Core, Page, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import NodeRecord
from arc_fabric.ledger.trees.resting import Resting
from arc_fabric.records import Tree

LOOKED_AT = 2000
"""Trees, at most, that one page of a search looks at."""
_SLICE = 100


class Trees:
    """What grew from one root, as one thing."""

    def __init__(self, core: Core, resting: Resting) -> None:
        self._core, self._resting = core, resting

    def get(self, tree_id: str) -> Tree:
        """One tree, or NotFound. A tree that rests is not brought back."""
        found = self._many([tree_id])
        if not found:
            raise NotFound(f"No tree {tree_id}.", hint="GET /api/trees lists them.", tree_id=tree_id)
        return found[0]

    def page(self, cursor: str | None = None, limit: int = 50, *, words: str = "") -> Page[Tree]:
        """Trees, the newest first; with `words` those in whose id, prompt, labels or tags they stand. A search looks at
        no more than LOOKED_AT trees: a page may hold fewer than `limit`, and `next` goes on from there."""
        found: list[Tree] = []
        looked_at = 0
        while True:
            start = f"({cursor}" if cursor else "+"
            ids = texts(self._core.redis.zrevrangebylex(keys.TREES, start, "-", start=0, num=_SLICE))
            by_id = {tree.id: tree for tree in self._many(ids)}
            for cursor in ids:
                tree = by_id.get(cursor)
                if tree is None or not _says(tree, words):
                    continue
                if len(found) == limit:
                    return Page(found, found[-1].id)
                found.append(tree)
            looked_at += len(ids)
            if len(ids) < _SLICE:
                return Page(found)
            if looked_at >= LOOKED_AT:
                return Page(found, cursor)

    def _many(self, ids: list[str]) -> list[Tree]:
        """Those that there are, in the order given, in three round trips."""
        if not ids:
            return []
        rows = self._core.redis.hmget(keys.RESTING_ROWS, ids)
        at_rest = {i: json.loads(str(text)) for i, text in zip(ids, rows, strict=True) if text}
        made = {i: _resting(i, row) for i, row in at_rest.items()}
        made |= self._here([i for i in ids if i not in at_rest])
        return [made[i] for i in ids if i in made]

    def _here(self, ids: list[str]) -> dict[str, Tree]:
        pipe = self._core.redis.pipeline(transaction=False)
        for tree_id in ids:
            pipe.hgetall(keys.node(tree_id))
            pipe.zcard(keys.tree(tree_id))
            pipe.zcard(keys.tree_sessions(tree_id))
            pipe.zscore(keys.TOUCHED, tree_id)
        answers = pipe.execute()
        roots = {i: NodeRecord.from_fields(codec.decode(one)) for i, one in zip(ids, answers[::4], strict=True) if one}
        labels = self._first_labels({i: root.session_id for i, root in roots.items()})
        made = {}
        for tree_id, nodes, sessions, touched in zip(ids, answers[1::4], answers[2::4], answers[3::4], strict=True):
            if (root := roots.get(tree_id)) and root.tree_id == tree_id:
                made[tree_id] = Tree(
                    id=tree_id, nodes=nodes, sessions=sessions, prompt=root.prompt, labels=labels.get(tree_id, []),
                    tags=root.tags, created=root.created, updated=touched or root.created,
                )  # fmt: skip
        return made

    def _first_labels(self, sessions: Mapping[str, str]) -> dict[str, list[str]]:
        """The label of each tree's first session."""
        pipe = self._core.redis.pipeline(transaction=False)
        for session_id in sessions.values():
            pipe.hget(keys.session(session_id), "label")
        texts_ = zip(sessions, pipe.execute(), strict=True)
        return {tree_id: [label] for tree_id, text in texts_ if text and (label := json.loads(text))}


def _resting(tree_id: str, row: Mapping[str, Any]) -> Tree:
    told = {name: row[name] for name in ("nodes", "sessions", "prompt", "labels", "tags", "created", "updated")}
    return Tree(id=tree_id, resting=True, **told)


def _says(tree: Tree, words: str) -> bool:
    told = " ".join((tree.id, tree.prompt, *tree.labels, *tree.tags)).lower()
    return all(word in told for word in words.lower().split())
