"""What the server answers, typed: the records of `arc_fabric.records`. Members that a later server adds are kept in
`extra`, so an older client still works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from arc_fabric import protocol, records
from arc_fabric.media import comparison


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
class Step(protocol.Step, View):
    """One committed step."""


@dataclass
class Node(records.Node, View):
    """A checkpoint in a trajectory tree."""

    lineage: list[str] = field(default_factory=list)
    """Ids from the root to this node; only where one checkpoint was asked for."""


@dataclass
class TreeInfo(records.Tree, View):
    """A tree as a whole."""


@dataclass(repr=False)
class Comparison(comparison.Comparison, View):
    """Where branches part and how far."""
