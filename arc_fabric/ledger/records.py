"""The records of the ledger: what Redis holds about sessions, jobs, nodes and workers.

`to_dict()` is the JSON view that HTTP, events and scripts show; internal fields (owner's boot, epoch,
attempts) are attributes without a place in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Self

from arc_fabric.base.terms import TERMINAL


@cache
def _names(record: type) -> dict[str, None]:
    """The fields that are shown, in their order."""
    return {f.name: None for f in fields(record) if f.name != "internal"}


class Record:
    """Shared shape: dataclass fields are the view; `internal` holds what is not shown."""

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """Build from decoded hash fields; absent ones take their defaults, unknown ones are ignored."""
        known = _names(cls)
        shown = {name: value for name, value in values.items() if name in known}
        hidden = {name: value for name, value in values.items() if name[0] == "_"}
        return cls(**shown, internal=hidden)  # type: ignore[call-arg]

    @classmethod
    def decoded(cls, text: str) -> Self:
        """Build from the whole record as a script answers it."""
        return cls.from_fields(json.loads(text))

    def to_dict(self) -> dict[str, Any]:
        """The JSON view."""
        return {name: getattr(self, name) for name in _names(type(self))}


@dataclass
class SessionRecord(Record):
    """One session: a head in a tree, and who works on it."""

    id: str
    state: str = "open"
    bulk: bool = False
    label: str | None = None
    model: str | None = None
    prompt: str = ""
    seed: int | None = None
    embodiment_id: int = 0
    head: str | None = None
    root: str | None = None
    tree_id: str | None = None
    frame_index: int = 0
    n_frames: int = 0
    parent_session: str | None = None
    parent_checkpoint: str | None = None
    forked_at: int | None = None
    created: float = 0.0
    updated: float = 0.0
    worker: str | None = None
    queued: int = 0
    running_job: str | None = None
    internal: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def epoch(self) -> int:
        """Fencing epoch: grows each time the session gets another owner."""
        return int(self.internal.get("_epoch", 0))

    @property
    def prompt_mode(self) -> str:
        """What a prompt change does to the window's older KV ("keep", "recache" or "reset")."""
        return str(self.internal.get("_prompt_mode", "keep"))


@dataclass
class JobRecord(Record):
    """One accepted piece of work; the truth about it (Celery only carries the ticket)."""

    id: str
    kind: str = ""
    session_id: str = ""
    state: str = "queued"
    seq: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, int] = field(default_factory=lambda: {"done": 0, "total": 1})
    worker: str | None = None
    placement: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    timings: dict[str, float] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    if_head: str | None = None
    bulk: bool = False
    internal: dict[str, Any] = field(default_factory=dict, repr=False)
    replayed: bool = field(default=False, repr=False)
    """True when a repeated Idempotency-Key brought this job back instead of making a new one."""

    @property
    def finished_for_good(self) -> bool:
        """Whether the state is terminal."""
        return self.state in TERMINAL

    @property
    def queue(self) -> str:
        """The Celery queue its next ticket goes to."""
        return str(self.internal.get("_queue", "interactive"))

    @property
    def priority(self) -> int:
        """The priority of its next ticket (0 is served first)."""
        return int(self.internal.get("_priority", 0))

    def to_dict(self) -> dict[str, Any]:
        """The JSON view; `replayed` belongs to one answer, not to the record."""
        view = super().to_dict()
        del view["replayed"]
        return view


@dataclass
class NodeRecord(Record):
    """One checkpoint in a trajectory tree. Immutable but for labels, score, pin, durability and children."""

    id: str
    parent: str | None = None
    session_id: str = ""
    tree_id: str = ""
    frame_index: int = 0
    created: float = 0.0
    prompt: str = ""
    seed: int | None = None
    prompt_mode: str = "keep"
    action_source: str | None = None
    steered: bool | None = None
    """Whether the given actions steered the world; None where none were given."""
    actions: list[list[float]] | None = None
    state: list[float] | None = None
    observed: int = 0
    """Real frames given in place of the imagined ones; where they are stored is internal (`_observed`)."""
    durability: str = "pending"
    failed: bool = False
    label: str | None = None
    bookmarked: bool = False
    pinned: bool = False
    score: float | None = None
    bytes_new: int = 0
    bytes_total: int = 0
    wall_s: float = 0.0
    job_id: str | None = None
    worker: str | None = None
    window_start: int | None = None
    n_frames: int = 0
    children: list[str] = field(default_factory=list)
    internal: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def boot(self) -> str | None:
        """Boot id of the worker process that made it (its payload may still be only in that memory)."""
        return self.internal.get("_boot")


@dataclass
class WorkerRecord(Record):
    """One worker process as its heartbeat describes it."""

    name: str
    state: str = "down"
    """starting, idle, busy, draining or down (no live lease)."""
    role: str = "gpu"
    """gpu (has a model, owns sessions) or media."""
    device: str = ""
    model: str | None = None
    boot_id: str = ""
    pid: int = 0
    host: str = ""
    started: float = 0.0
    last_seen: float = 0.0
    current_job: str | None = None
    current_session: str | None = None
    resident: list[str] = field(default_factory=list)
    pinned: list[str] = field(default_factory=list)
    """Checkpoints whose pieces it keeps in host memory because they are pinned."""
    steps_done: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    gpu: dict[str, Any] | None = None
    """Its device: name, utilisation_percent, memory_used_bytes, memory_total_bytes; None on a CPU."""
    machine: dict[str, Any] = field(default_factory=dict)
    """Its machine: cpu_percent, memory_used_bytes, memory_total_bytes."""
    queued: int = 0
    sessions: list[str] = field(default_factory=list)
    internal: dict[str, Any] = field(default_factory=dict, repr=False)


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
