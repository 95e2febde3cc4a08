"""A ticket's message as Celery and kombu make it: they make the first of a kind, the others are copies with other ids.

Celery's `send_task` takes about 0.5 ms of CPU time per message and two round trips, nearly all of it to work out what
is the same for every job of a kind. Here it is asked once per task name, queue and priority, over a transport that
keeps messages instead of sending them; tests/queue/test_envelope.py holds the copies against what it really sends.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu import Connection, Producer
from kombu.transport import virtual

from arc_fabric.ledger.core import keys
from arc_fabric.ledger.requests import PRIORITY, QUEUE

EVENTS_ROUTE = "task.multi"
"""Routing key of a list of task events."""
_REPR_CHARS = 1024
_PRIORITY_STEPS = (0, 3, 6, 9)
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class _Keeper(virtual.Channel):
    """A channel that delivers to a list."""

    supports_fanout = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept: list[dict[str, Any]] = []

    def _queue_bind(self, *_: Any) -> None:
        """No exchange of ours looks bindings up."""

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self.kept.append(message)

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **_: Any) -> None:
        self.kept.append(message)


class _KeepingTransport(virtual.Transport):
    """Looks like Redis to Celery, so that messages and events take the same form."""

    Channel = _Keeper
    driver_type = "redis"
    driver_name = "redis"
    implements = virtual.Transport.implements.extend(exchange_type=frozenset(["direct", "topic", "fanout"]))
    state = virtual.BrokerState()


class Envelope:
    """The form of the tickets of one task name in one queue at one priority.

    Unaddressed (`queue` None) they are for the ledger's scripts, which decide where a job goes when they accept it.
    """

    def __init__(self, app: Celery, task: str, queue: str | None, priority: int = 0) -> None:
        self._app = app
        addressed, queue = queue is not None, queue or QUEUE
        step = max(i for i, low in enumerate(_PRIORITY_STEPS) if low <= priority)
        self.key = keys.queue_keys(queue)[step]
        """The Redis list that a worker takes the message from."""
        with Connection(transport=_KeepingTransport) as connection:
            channel = connection.channel()
            app.send_task(
                task, args=[], kwargs={}, task_id="", queue=queue, priority=priority, producer=Producer(channel),
                add_to_parent=False, root_id="-", parent_id="-",
            )  # fmt: skip
            self._message, *events = channel.kept
        if not addressed:
            self._message["properties"]["priority"] = PRIORITY
        self._rest = json.loads(base64.b64decode(self._message["body"]))[2]
        self._event_message = events[0] if events else None
        self._event = json.loads(base64.b64decode(events[0]["body"])) if events else {}

    def ticket(self, task_id: str, args: list[Any], kwargs: dict[str, Any]) -> str:
        """The message, to be pushed on `key`."""
        shown = _shown(args, kwargs)
        message = self._message | {
            "body": _base64([args, kwargs, self._rest]),
            "headers": self._message["headers"]
            | {"id": task_id, "root_id": task_id, "parent_id": None}
            | {"argsrepr": shown["args"], "kwargsrepr": shown["kwargs"]},
            "properties": self._message["properties"] | {"correlation_id": task_id, "delivery_tag": str(uuid.uuid4())},
        }
        return _dumps(message)

    def event(self, task_id: str, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """What Flower is told of a ticket (see `told`)."""
        ids = {"uuid": task_id, "root_id": task_id, "parent_id": None}
        return self._event | _shown(args, kwargs) | ids | {"clock": self._app.clock.forward(), "timestamp": time.time()}

    def told(self, events: Sequence[dict[str, Any]]) -> str | None:
        """One event message about several tickets, as Celery's own workers send theirs; None when events are off."""
        if self._event_message is None:
            return None
        properties = self._event_message["properties"]
        told = {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": properties["delivery_info"] | {"routing_key": EVENTS_ROUTE},
        }
        return _dumps(self._event_message | {"body": _base64(list(events)), "properties": properties | told})


def events_channel(app: Celery, database: int) -> str:
    """The Redis channel that Flower and other monitors hear events on."""
    return f"/{database}.{app.conf.event_exchange}/{EVENTS_ROUTE}"


def _shown(args: list[Any], kwargs: dict[str, Any]) -> dict[str, str]:
    return {"args": repr(args)[:_REPR_CHARS], "kwargs": repr(kwargs)[:_REPR_CHARS]}


def _base64(value: Any) -> str:
    return base64.b64encode(_dumps(value).encode()).decode()
