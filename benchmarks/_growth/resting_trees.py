"""Trees at rest, made fast: objects in storage and rows in Redis as the product would have left them.

What is written goes through the product's own writer and scripts (claim, rest, drop); only the records that it would
have dropped from Redis were never there, and payloads (manifests, tensors) are not made.
"""

from __future__ import annotations

import random
import time
from typing import Any

from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger, NodeRecord, SessionRecord
from arc_fabric.ledger.core import codec, keys
from arc_fabric.ledger.trees.resting import packed
from arc_fabric.resting.objects import NODES_PER_CHUNK, Writer
from arc_fabric.store.backends import Backend

BRANCHES = 5
"""Sessions of a tree: a trunk of half of its nodes, and forks of it."""
PROMPT = "pick up the red cup and put it on the plate"
_SLICE = 200


class Maker:
    """Makes resting trees of `nodes` checkpoints each."""

    def __init__(self, ledger: Ledger, backend: Backend, nodes: int) -> None:
        self._ledger, self._backend, self._nodes = ledger, backend, nodes
        dice = random.Random(1)
        self._actions = [
            codec.dumps([[round(dice.gauss(0, 1), 6) for _ in range(3)] for _ in range(8)]) for _ in range(97)
        ]

    def make(self) -> str:
        """One tree; its id."""
        ids = [new_id("ckp") for _ in range(self._nodes)]
        sessions = [new_id("ses") for _ in range(BRANCHES)]
        tree_id, token, resting = ids[0], new_id("rst"), self._ledger.resting
        parents, owners = self._shape()
        children: list[list[str]] = [[] for _ in ids]
        for at, parent in enumerate(parents):
            if parent is not None:
                children[parent].append(ids[at])
        self._ledger.redis.zadd(keys.TREES, {tree_id: 0})
        self._ledger.redis.zadd(keys.TOUCHED, {tree_id: time.time()})
        resting.claim(tree_id, token)
        writer = Writer(self._backend, tree_id, token)
        told = [self._session(session_id, tree_id, ids[-1 - at]) for at, session_id in enumerate(sessions)]
        writer.chunk("sessions", [(i, fields, False) for i, fields in zip(sessions, told, strict=True)])
        for start in range(0, len(ids), NODES_PER_CHUNK):
            some = range(start, min(start + NODES_PER_CHUNK, len(ids)))
            writer.chunk("nodes", [
                (ids[at], self._node(at, ids, parents[at], sessions[owners[at]]), children[at], at) for at in some
            ])  # fmt: skip
        facts = {"inputs": [f"inputs/{'0' * 64}-{tree_id[-16:]}.png"], "kept": [], "heads": [], "tags": ["slip"]}
        resting.rest(tree_id, token, {
            "nodes": len(ids), "sessions": BRANCHES, "created": time.time(), "updated": time.time(),
            "prompt": PROMPT, "labels": [f"run {tree_id[-6:]}"], "tags": ["slip"],
            "bytes": 10**8, "token": token, "digest": writer.finish(), "facts": facts,
        })  # fmt: skip
        kept = codec.dumps([packed(i, fields)[0] for i, fields in zip(sessions, told, strict=True)])
        for start in range(0, len(ids), _SLICE):
            some_ids = codec.dumps(ids[start : start + _SLICE])
            self._ledger.core.scripts.run("trees/drop", tree_id, token, some_ids, kept if not start else "[]", "[]")
        return tree_id

    def _shape(self) -> tuple[list[int | None], list[int]]:
        """Parent and session of each node, by their numbers."""
        trunk = self._nodes // 2
        branch = max(1, (self._nodes - trunk) // (BRANCHES - 1))
        parents: list[int | None] = [None, *range(trunk - 1)]
        owners = [0] * trunk
        for at in range(self._nodes - trunk):
            parents.append(trunk // 2 if at % branch == 0 else len(parents) - 1)
            owners.append(min(1 + at // branch, BRANCHES - 1))
        return parents, owners

    def _node(self, at: int, ids: list[str], parent: int | None, session_id: str) -> dict[str, str]:
        node = NodeRecord(
            id=ids[at], parent=None if parent is None else ids[parent], session_id=session_id, tree_id=ids[0],
            frame_index=at, created=time.time(), prompt=PROMPT, seed=7,
            action_source="predicted", durability="durable", bytes_new=161_280, bytes_total=1_290_240, wall_s=0.083,
            job_id=new_id("job"), worker="gpu.0", window_start=at - at % 8, n_frames=8 if at else 1,
        )  # fmt: skip
        fields: dict[str, Any] = node.to_dict() | {"_boot": "boot", "_digest": ids[at], "_mode": "keep"}
        del fields["children"]
        return codec.encode(fields) | {"actions": self._actions[at % len(self._actions)]}

    def _session(self, session_id: str, tree_id: str, head: str) -> dict[str, str]:
        session = SessionRecord(
            id=session_id, state="closed", label=f"run {tree_id[-6:]}", model="tabletop", seed=7, head=head,
            root=tree_id, prompt=PROMPT, tree_id=tree_id, frame_index=500, n_frames=4001,
            created=time.time(), updated=time.time(), worker="gpu.0",
        )  # fmt: skip
        hidden = {"_epoch": 1, "_boot": "boot", "_pending": 0, "_prompt_mode": "keep", "_seq": 12}
        return codec.encode(session.to_dict() | hidden)
