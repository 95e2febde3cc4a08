"""Tells monitors (Flower) what became of messages: each is a task that succeeded with a job's id, or failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import REDIS_OUTAGE
from arc_fabric.queue.inbox import Inbox

log = logging.getLogger(__name__)
NAME = "intake"
ALIVE_S = 30
"""Monitors are told so often that somebody takes messages."""
_SHOWN_CHARS = 1024


class Outcome(NamedTuple):
    """What became of a message."""

    task: str
    task_id: str
    kwargs: dict[str, Any]
    job_id: str
    error: ArcFabricError | None


class Monitors:
    """Sends Celery's own task events, as a worker of the name `intake`. What cannot be told is left out."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._alive = -float(ALIVE_S)

    def alive(self) -> None:
        """Say now and then that messages are taken."""
        if time.monotonic() > self._alive + ALIVE_S:
            self._alive = time.monotonic()
            self._send([("worker-heartbeat", {"freq": ALIVE_S, "active": 0})])

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Tell of messages that were taken."""
        self._send([event for outcome in outcomes for event in _events(outcome)])

    def _send(self, events: list[tuple[str, dict[str, Any]]]) -> None:
        try:
            self._inbox.tell(NAME, events)
        except REDIS_OUTAGE as error:
            log.warning("monitors were not told of %d events: %s", len(events), error)


def _events(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    task: dict[str, Any] = {
        "uuid": outcome.task_id,
        "root_id": outcome.task_id,
        "parent_id": None,
        "name": outcome.task,
    }
    shown: dict[str, Any] = {
        "args": "[]",
        "kwargs": repr(outcome.kwargs)[:_SHOWN_CHARS],
        "retries": 0,
        "eta": None,
        "expires": None,
    }
    begun: list[tuple[str, dict[str, Any]]] = [
        ("task-received", task | shown),
        ("task-started", {"uuid": outcome.task_id}),
    ]
    end: tuple[str, dict[str, Any]]
    if outcome.error is None:
        end = ("task-succeeded", {"uuid": outcome.task_id, "result": repr(outcome.job_id), "runtime": 0.0})
    else:
        said = f"{outcome.error.code}: {outcome.error.message} {outcome.error.what_to_do}".strip()
        end = ("task-failed", {"uuid": outcome.task_id, "exception": said[:_SHOWN_CHARS], "traceback": said})
    return [*begun, end]
