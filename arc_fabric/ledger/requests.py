"""Requests for jobs: made and checked first, accepted later, one alone or many in few round trips (see jobs.py)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.ledger.records import JobRecord, NodeRecord, SessionRecord

QUEUE, PRIORITY = "<queue>", "<priority>"
"""In a ticket they stand for what the script decides (lua/lib/placement.lua: send); the priority within quotes."""


@dataclass(frozen=True)
class JobRequest:
    """One call of the script that accepts it, as a whole or not at all."""

    script: str
    job: JobRecord
    """The job that was asked for, neither numbered nor routed yet."""
    args: tuple[str | int | float, ...]
    ticket: str = ""
    """A message of the broker, with QUEUE and PRIORITY in it, that is sent in the moment in which the job is accepted;
    without one, whoever asks for the job sends its ticket."""

    def with_ticket(self, ticket: str) -> JobRequest:
        """This request with a ticket, which the ledger sends when it accepts the job."""
        return replace(self, ticket=ticket)


@dataclass(frozen=True)
class Accepted:
    """An accepted job; `session` is the new one of a create or fork."""

    job: JobRecord
    session: SessionRecord | None = None


def digest(*parts: Any) -> str:
    """What an Idempotency-Key stands for: equal requests have equal digests."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def in_tree(node: NodeRecord, session: SessionRecord) -> NodeRecord:
    """The node, if a session's head may be moved there. Raises Conflict for one of another tree."""
    if node.tree_id != session.tree_id:
        raise Conflict(
            f"Checkpoint {node.id} is of another tree than session {session.id}.",
            hint="Fork the checkpoint into a session of its own.",
            checkpoint_id=node.id,
            session_id=session.id,
        )
    return node


def check_steps(steps: object, low: int, high: int) -> None:
    """Raise InvalidRequest unless `steps` is a whole number from `low` to `high`."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not low <= steps <= high:
        raise InvalidRequest(f"steps is a whole number from {low} to {high}, not {steps!r}.", low=low, high=high)
