"""What the server answers, typed. Members it adds later are kept in `extra`, so an older client still works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from arc_fabric.base.terms import TERMINAL


@dataclass(frozen=True)
class View:
    """Base: made from a JSON object."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Take the known members; the others go to `extra`."""
        known = {f.name for f in fields(cls)} - {"extra"}
        given = {name: value for name, value in body.items() if name in known}
        return cls(**given, extra={name: value for name, value in body.items() if name not in known})


@dataclass(frozen=True)
class SessionInfo(View):
    """A session as the server last described it. Times are epoch seconds."""

    id: str
    state: str
    prompt: str
    seed: int | None
    head: str | None
    root: str | None
    tree_id: str | None
    frame_index: int
    n_frames: int
    label: str | None = None
    bulk: bool = False
    parent_session: str | None = None
    parent_checkpoint: str | None = None
    forked_at: int | None = None
    worker: str | None = None
    queued: int = 0
    running_job: str | None = None
    created: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Job(View):
    """An accepted piece of work."""

    id: str
    kind: str
    session_id: str
    state: str
    progress: dict[str, int]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    worker: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        """Whether it has succeeded, failed or been cancelled."""
        return self.state in TERMINAL


@dataclass(frozen=True)
class Step(View):
    """One committed step."""

    checkpoint_id: str
    frame_index: int
    wall_s: float = 0.0
    bytes_new: int = 0
    action_source: str | None = None
    steered: bool | None = None
    """Whether the given actions steered the world (False: recorded only); None where none were given."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Node(View):
    """A checkpoint in a trajectory tree."""

    id: str
    parent: str | None
    session_id: str
    tree_id: str
    frame_index: int
    prompt: str
    seed: int | None
    durability: str
    failed: bool = False
    label: str | None = None
    bookmarked: bool = False
    pinned: bool = False
    score: float | None = None
    action_source: str | None = None
    steered: bool | None = None
    """Whether the given actions steered the world (False: recorded only); None where none were given."""
    actions: list[list[float]] | None = None
    state: list[float] | None = None
    observed: int = 0
    """Real frames given with its step (closed loop)."""
    bytes_new: int = 0
    bytes_total: int = 0
    wall_s: float = 0.0
    n_frames: int = 0
    children: list[str] = field(default_factory=list)
    lineage: list[str] = field(default_factory=list)
    """Ids from the root to this node; only where one checkpoint was asked for."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Comparison(View):
    """Where branches part and how far; series keys are 'a|b'."""

    nodes: list[dict[str, Any]]
    common_ancestor: str | None
    common_frame_index: int | None
    fork_step: int | None
    first_differing_frame_index: int | None
    first_differing_video_frame: int | None
    series: dict[str, dict[str, list[float | None]]]
    equal: dict[str, bool]
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
