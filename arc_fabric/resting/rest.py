"""The way to rest: trees that nobody touched for long leave Redis for object storage.

A tree rests only when all its sessions are closed, none of its payloads is on its way to storage, no checkpoint of it
is pinned and no clip of it is being made. What is read is what rests: any change in between ends the claim, and the
tree stays where it is.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from arc_fabric.base.input_keys import INPUTS
from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger
from arc_fabric.ledger.trees.resting import RawNode
from arc_fabric.resting.objects import NODES_PER_CHUNK, SESSIONS_PER_CHUNK, Writer
from arc_fabric.store.backends import Backend

log = logging.getLogger(__name__)
PASS_S = 20.0
"""A pass ends after so long; the next one goes on."""
_AT_ONCE = 100
_INLINE = 400
"""Characters of facts that Redis keeps itself; more of them are an object."""
_MOST_WORDS, _MOST_CHARS = 8, 80


class _Busy(Exception):
    """It cannot rest now; says why."""


@dataclass
class _Told:
    """What is gathered of a tree while it is read."""

    nodes: int = 0
    sessions: int = 0
    created: float = 0.0
    updated: float = 0.0
    prompt: str = ""
    labels: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    bytes: int = 0
    inputs: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)
    heads: list[tuple[str, float]] = field(default_factory=list)

    def take_node(self, node: RawNode) -> None:
        """A node. Raises _Busy."""
        known = {
            name: json.loads(node.fields.get(name, "null"))
            for name in ("durability", "created", "label", "bookmarked", "pinned", "prompt", "tags", "bytes_new",
                         "_input_key", "_observed")
        }  # fmt: skip
        if not node.fields or known["durability"] == "pending" or known["pinned"]:
            raise _Busy("a checkpoint of it is pinned" if known["pinned"] else "a checkpoint is not stored yet")
        if not self.nodes:
            self.created, self.prompt = known["created"], known["prompt"][:_MOST_CHARS]
        self.nodes += 1
        self.bytes += known["bytes_new"] or 0
        if known["label"] or known["bookmarked"]:
            self.kept.append(node.id)
        self.tags += [tag for tag in known["tags"] or () if tag not in self.tags]
        self.inputs |= {key for key in (known["_input_key"], known["_observed"]) if key and key.startswith(INPUTS)}

    def take_session(self, session_id: str, fields: dict[str, str], making_clips: set[str]) -> bool:
        """A session; whether it is a bulk one. Raises _Busy."""
        if json.loads(fields.get("state", "null")) != "closed" or session_id in making_clips:
            raise _Busy("a session of it is open, or a clip is being made")
        self.sessions += 1
        label, head = json.loads(fields.get("label", "null")), json.loads(fields.get("head", "null"))
        if label and len(self.labels) < _MOST_WORDS:
            self.labels.append(label[:_MOST_CHARS])
        if head:
            self.heads.append((head, json.loads(fields["updated"])))
        return fields.get("bulk") == "true"

    def facts(self) -> dict[str, Any]:
        """For upkeep."""
        return {"inputs": sorted(self.inputs), "kept": self.kept, "heads": self.heads, "tags": self.tags}

    def row(self, token: str, digest: str, facts: dict[str, Any] | None) -> dict[str, Any]:
        """For listings, and where it lies."""
        told = ("nodes", "sessions", "created", "updated", "prompt", "labels", "bytes")
        words = {"tags": [tag[:_MOST_CHARS] for tag in self.tags[:_MOST_WORDS]]}
        return {name: getattr(self, name) for name in told} | words | {
            "token": token, "digest": digest, "facts": facts
        }  # fmt: skip


def rest_tree(ledger: Ledger, backend: Backend, tree_id: str) -> bool:
    """Bring one tree to rest; False where it cannot rest now. Raises StoreUnavailable, Redis errors.

    Cut off anywhere it leaves the tree as it was and objects that nothing names (see leftover.py), or a tree that rests
    and of which records have still to be dropped (`finish_drops`).
    """
    token = new_id("rst")
    if not ledger.resting.claim(tree_id, token):
        return False
    try:
        row = _store(ledger, backend, tree_id, token)
    except _Busy as why:
        log.debug("tree %s does not rest: %s", tree_id, why)
        ledger.resting.later(tree_id)
        return False
    if not ledger.resting.rest(tree_id, token, row):
        return False
    ledger.resting.drop(tree_id, token)
    log.info("tree %s rests: %d nodes, %d sessions", tree_id, row["nodes"], row["sessions"])
    return True


def _store(ledger: Ledger, backend: Backend, tree_id: str, token: str) -> dict[str, Any]:
    told, writer = _Told(updated=ledger.resting.touched(tree_id)), Writer(backend, tree_id, token)
    making_clips = ledger.resting.media_sessions()
    for some in ledger.resting.sessions_of(tree_id, SESSIONS_PER_CHUNK):
        writer.chunk("sessions", [(i, fields, told.take_session(i, fields, making_clips)) for i, fields in some])
    for nodes in ledger.resting.nodes_of(tree_id, NODES_PER_CHUNK):
        for node in nodes:
            told.take_node(node)
        writer.chunk("nodes", [(node.id, node.fields, node.children, node.place) for node in nodes])
    if not told.nodes:
        raise _Busy("it has no checkpoints")
    facts: dict[str, Any] | None = told.facts()
    if len(json.dumps(facts)) > _INLINE:
        writer.chunk("facts", [facts])
        facts = None
    return told.row(token, writer.finish(), facts)


def rest_due(ledger: Ledger, backend: Backend, after_s: float, *, seconds: float = PASS_S) -> int:
    """Bring those to rest that nobody touched for `after_s` seconds, for a while; how many rest now."""
    finish_drops(ledger)
    until, before, rested = time.monotonic() + seconds, ledger.core.now() - after_s, 0
    while time.monotonic() < until:
        due = ledger.resting.due(before, _AT_ONCE)
        done = 0
        for tree_id in due:
            done += rest_tree(ledger, backend, tree_id)
            if time.monotonic() >= until:
                break
        rested += done
        if not done:
            break
    return rested


def finish_drops(ledger: Ledger) -> None:
    """Drop what was left of trees that rest, by a process that was killed on the way there or back."""
    for tree_id in ledger.resting.dropping():
        row = ledger.resting.row(tree_id)
        if row is not None:
            ledger.resting.drop(tree_id, row["token"])
