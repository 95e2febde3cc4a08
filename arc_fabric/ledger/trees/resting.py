"""Trees that rest in object storage: what Redis keeps of them, and the scripts that bring them to rest and back.

`arc_fabric.resting` moves the records; here is what must be true meanwhile. A tree is claimed, read, stored, and then
rests by one script that refuses if anything touched it since; only then its records are dropped, in slices. The way
back is the same in reverse: records are put back in slices, and one script says that the tree does not rest any more.
While it rests nothing changes a record of it, so that either can be cut off anywhere and begun anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from arc_fabric.ledger.core import Core, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import SessionRecord
from arc_fabric.records import Session, members

ID = 30
"""Length of an id."""
CLAIM_MS, WAKE_MS = 900_000, 30_000
_SLICE = 500


@dataclass(frozen=True)
class RawNode:
    """A node as Redis holds it."""

    id: str
    fields: dict[str, str]
    children: list[str]
    place: int


class Resting:
    """What is known of trees that rest, and how they come and go."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every resting tree: its id, and {token, digest, nodes, sessions, created, updated, prompt, labels, tags,
        bytes, facts}."""
        scanned = cast(Iterator[tuple[str, str]], self._core.redis.hscan_iter(keys.RESTING_ROWS, count=_SLICE))
        for tree_id, text in scanned:
            yield tree_id, json.loads(text)

    def row(self, tree_id: str) -> dict[str, Any] | None:
        """One of them; None for a tree that does not rest."""
        text = self._core.redis.hget(keys.RESTING_ROWS, tree_id)
        return json.loads(str(text)) if text else None

    def homes(self, ids: Sequence[str]) -> list[str]:
        """The trees in which these nodes rest, an empty text where they do not."""
        return [
            tree
            for start in range(0, len(ids), _SLICE)
            for tree in self._core.scripts.run("trees/homes", *ids[start : start + _SLICE])
        ]

    def sessions(self, ids: Sequence[str]) -> dict[str, SessionRecord | str]:
        """Those of these sessions that belong to resting trees: the record, or for a bulk one the id of its tree."""
        found = self._core.scripts.run("trees/sessions", *ids) if ids else []
        return {text[:ID]: unpacked(text) for text in found if text}

    def facts(self, tree_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """{inputs: keys of given pictures that it names, kept: nodes with a mark of people, heads: session heads and
        when they were of use, tags: of its nodes}. Raises StoreError, ServiceError."""
        if row["facts"] is not None:
            inline: dict[str, Any] = row["facts"]
            return inline
        if self._core.bed is None:
            self._core.wake(tree_id)  # says what is missing
        assert self._core.bed is not None
        return self._core.bed.facts(tree_id, row["token"])

    # Going to rest

    def due(self, before: float, limit: int) -> list[str]:
        """Trees that nobody touched since, the longest untouched first."""
        return texts(self._core.redis.zrangebyscore(keys.TOUCHED, "-inf", before, start=0, num=limit))

    def untouched(self, before: float) -> list[tuple[str, float]]:
        """Trees that are here and that nobody touched since, and when each was."""
        found: Any = self._core.redis.zrangebyscore(keys.TOUCHED, "-inf", before, withscores=True)
        return [(str(tree_id), float(touched)) for tree_id, touched in found]

    def touched(self, tree_id: str) -> float:
        """When something last changed in a tree that is here."""
        return float(self._core.redis.zscore(keys.TOUCHED, tree_id) or 0.0)

    def claim(self, tree_id: str, token: str) -> bool:
        """Begin; whatever touches the tree from here on ends the claim."""
        return bool(self._core.scripts.run("trees/claim", tree_id, token, CLAIM_MS)[0] == "ok")

    def later(self, tree_id: str) -> None:
        """It cannot rest now; look again after as long as if it had just been touched."""
        self._core.scripts.run("trees/later", tree_id)

    def nodes_of(self, tree_id: str, size: int) -> Iterator[list[RawNode]]:
        """The nodes of a tree as they are here, in slices."""
        start = 0
        while ids := texts(self._core.redis.zrange(keys.tree(tree_id), start, start + size - 1)):
            pipe = self._core.redis.pipeline(transaction=False)
            for node_id in ids:
                pipe.hgetall(keys.node(node_id))
                pipe.lrange(keys.children(node_id), 0, -1)
            found = pipe.execute()
            yield [
                RawNode(node_id, fields, children, start + at)
                for at, (node_id, fields, children) in enumerate(zip(ids, found[::2], found[1::2], strict=True))
            ]
            start += len(ids)

    def sessions_of(self, tree_id: str, size: int) -> Iterator[list[tuple[str, dict[str, str]]]]:
        """The sessions of a tree as they are here, in slices."""
        start = 0
        while ids := texts(self._core.redis.zrange(keys.tree_sessions(tree_id), start, start + size - 1)):
            pipe = self._core.redis.pipeline(transaction=False)
            for session_id in ids:
                pipe.hgetall(keys.session(session_id))
            yield list(zip(ids, pipe.execute(), strict=True))
            start += len(ids)

    def media_sessions(self) -> set[str]:
        """Sessions for which a media job is unfinished."""
        pipe = self._core.redis.pipeline(transaction=False)
        for job_id in texts(self._core.redis.zrange(keys.MEDIA, 0, -1)):
            pipe.hget(keys.job(job_id), "session_id")
        return {json.loads(text) for text in pipe.execute() if text}

    def rest(self, tree_id: str, token: str, row: Mapping[str, Any]) -> bool:
        """All of it is stored: it rests, unless something touched it since it was claimed (False)."""
        return bool(self._core.scripts.run("trees/rest", tree_id, token, codec.dumps(row))[0] == "ok")

    def dropping(self) -> list[str]:
        """Trees that rest and of which records may still be here."""
        return sorted(texts(self._core.redis.smembers(keys.DROPPING)))

    def drop(self, tree_id: str, token: str, size: int = 200) -> None:
        """Drop what is here of a tree that rests."""
        while True:
            nodes = texts(self._core.redis.zrange(keys.tree(tree_id), 0, size - 1))
            some = next(self.sessions_of(tree_id, size), [])
            kept = [packed(session_id, fields) for session_id, fields in some]
            plain, bulk = ([text for text, is_bulk in kept if is_bulk == wanted] for wanted in (False, True))
            lists = (codec.dumps(nodes), codec.dumps(plain), codec.dumps(bulk))
            answer = self._core.scripts.run("trees/drop", tree_id, token, *lists)
            if answer[0] != "ok" or not (nodes or some):
                return

    # Coming back

    def begin_wake(self, tree_id: str, token: str) -> tuple[str, dict[str, Any]]:
        """("awake" | "busy" | "ok", its row)."""
        answer = self._core.scripts.run("trees/wake", tree_id, token, WAKE_MS)
        return answer[0], json.loads(answer[1]) if len(answer) > 1 else {}

    def lay(self, tree_id: str, token: str, nodes: Sequence[Any], sessions: Sequence[Any]) -> bool:
        """Put records back: [node, fields, children, place], [session, fields, bulk]. False where it took too long."""
        args = (tree_id, token, WAKE_MS, codec.dumps(nodes), codec.dumps(sessions))
        return bool(self._core.scripts.run("trees/lay", *args)[0] == "ok")

    def give_up(self, tree_id: str, token: str) -> None:
        """It cannot be brought back now; the next one need not wait."""
        self._core.scripts.run("trees/leave", tree_id, token)

    def awake(self, tree_id: str, token: str) -> bool:
        """All of it is here again. False where it took too long."""
        return bool(self._core.scripts.run("trees/awake", tree_id, token)[0] == "ok")


def packed(session_id: str, fields: Mapping[str, str]) -> tuple[str, bool]:
    """What stays of a session, an id followed by JSON, and whether it is a bulk one."""
    record = SessionRecord.from_fields(codec.decode(fields))
    if record.bulk:
        return session_id + codec.dumps({"tree_id": record.tree_id}), True
    plain = SessionRecord(id=session_id, root=record.tree_id)
    told = {name: value for name in members(Session) if (value := getattr(record, name)) != getattr(plain, name)}
    return session_id + codec.dumps(told), False


def unpacked(text: str) -> SessionRecord | str:
    """Inverse of `packed`: the record, or for a bulk session the id of its tree."""
    told = json.loads(text[ID:])
    if told.keys() == {"tree_id"}:
        return str(told["tree_id"])
    return SessionRecord.from_fields({"root": told["tree_id"], **told, "id": text[:ID]})
