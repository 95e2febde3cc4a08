"""What the server answers, typed: the records of `arc_fabric.records`. Members that a later server adds are kept in
`extra`, so an older client still works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from arc_fabric import records


@dataclass(kw_only=True)
class View:
    """Base: made from a JSON object."""

    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Take the known members; the others go to `extra`."""
        known = {f.name for f in fields(cls)} - {"extra"}
        given = {name: value for name, value in body.items() if name in known}
        return cls(**given, extra={name: value for name, value in body.items() if name not in known})


@dataclass
class SessionInfo(records.Session, View):
    """A session as the server last described it. Times are epoch seconds."""


@dataclass
class Job(records.Job, View):
    """An accepted piece of work."""


@dataclass
class Step(View):
    """One committed step."""

    checkpoint_id: str
    frame_index: int
    wall_s: float = 0.0
    bytes_new: int = 0
    action_source: str | None = None
    steered: bool | None = None
    """Whether the given actions steered the world (False: recorded only); None where none were given."""


@dataclass
class Node(records.Node, View):
    """A checkpoint in a trajectory tree."""

    lineage: list[str] = field(default_factory=list)
    """Ids from the root to this node; only where one checkpoint was asked for."""


@dataclass
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
