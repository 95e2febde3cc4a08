"""The records of the ledger: what Redis holds about sessions, jobs, nodes and workers.

Their members are those of `arc_fabric.records`; beside them Redis holds internal fields (owner's boot, epoch,
attempts), whose names start with `_` and which nobody else sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from arc_fabric.base.terms import BatchMode, PromptMode
from arc_fabric.records import Evaluation, Job, Node, Record, Session, Worker, members


@dataclass(kw_only=True)
class Stored(Record):
    """A record as Redis holds it."""

    internal: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """Build from decoded hash fields; absent ones take their defaults, unknown ones are ignored."""
        known = members(cls)  # type: ignore[arg-type]
        shown = {name: value for name, value in values.items() if name in known}
        return cls(**shown, internal={name: value for name, value in values.items() if name[0] == "_"})

    @classmethod
    def decoded(cls, text: str) -> Self:
        """Build from the whole record as a script answers it."""
        return cls.from_fields(json.loads(text))


@dataclass
class SessionRecord(Session, Stored):
    """A session in the ledger."""

    @property
    def epoch(self) -> int:
        """Fencing epoch: grows each time the session gets another owner."""
        return int(self.internal.get("_epoch", 0))

    @property
    def prompt_mode(self) -> PromptMode:
        """What a prompt change does to the window's older KV ("keep", "recache" or "reset")."""
        mode: PromptMode = self.internal.get("_prompt_mode", "keep")
        return mode


@dataclass
class JobRecord(Job, Stored):
    """A job in the ledger: the truth about it (Celery only carries the ticket)."""

    replayed: bool = field(default=False, repr=False)
    """True when a repeated Idempotency-Key brought this job back instead of making a new one."""

    @property
    def queue(self) -> str:
        """The Celery queue its next ticket goes to."""
        return str(self.internal.get("_queue", "interactive"))

    @property
    def batch(self) -> BatchMode | None:
        """How it steps together with other jobs; None: it does not."""
        mode: BatchMode | None = self.internal.get("_batch")
        return mode

    @property
    def priority(self) -> int:
        """The priority of its next ticket (0 is served first)."""
        return int(self.internal.get("_priority", 0))


@dataclass
class NodeRecord(Node, Stored):
    """A checkpoint in the ledger. Where its observed frames are stored is internal (`_observed`)."""

    @property
    def boot(self) -> str | None:
        """Boot id of the worker process that made it (its payload may still be only in that memory)."""
        return self.internal.get("_boot")


@dataclass
class WorkerRecord(Worker, Stored):
    """A worker in the ledger."""


@dataclass
class EvaluationRecord(Evaluation, Stored):
    """An evaluation in the ledger."""

    replayed: bool = field(default=False, repr=False)
    """True when a repeated Idempotency-Key brought this one back instead of making a new one."""

    @property
    def resumed(self) -> int:
        """How often it was resumed."""
        return int(self.internal.get("_round", 0))

    @property
    def resumed_at(self) -> tuple[float, int, int]:
        """When it began or was resumed, and how many steps and bad results it had then: its limits count from there."""
        since, steps, bad = self.internal.get("_resumed") or (self.created, 0, 0)
        return since, steps, bad


@dataclass(frozen=True)
class Event:
    """One line of the event stream; `data` is the session, job, node or worker view."""

    id: str
    session_id: str | None
    kind: str
    time: float
    data: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The JSON message of the WebSocket."""
        return {
            "type": "event",
            "id": self.id,
            "session_id": self.session_id,
            "kind": self.kind,
            "time": self.time,
            "data": self.data,
        }


@dataclass(frozen=True)
class TreeView:
    """A tree's nodes (parents before children) and the sessions that grow in it."""

    tree_id: str
    root: str
    nodes: list[NodeRecord]
    sessions: list[SessionRecord]
    next: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON view of GET /api/sessions/{id}/tree."""
        return {
            "tree_id": self.tree_id,
            "root": self.root,
            "nodes": [n.to_dict() for n in self.nodes],
            "sessions": [s.to_dict() for s in self.sessions],
            "next": self.next,
        }
