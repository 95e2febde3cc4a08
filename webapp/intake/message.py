"""What a Celery message in queue `arc` asks for.

A script with `celery` alone sends `app.send_task("arc.fork", kwargs={"checkpoint_id": ...}, queue="arc")`. The task is
`arc.<kind of job>`, its keyword arguments are the members of that kind's body over HTTP, with `session_id` where the
URL has it, and its task id is the Idempotency-Key. What a queue cannot keep (chains, eta) is refused, not ignored.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from arc_fabric.base.terms import SHOWN_KINDS, UNKNOWN_KIND
from arc_fabric.errors import ArcFabricError, DeadlineExceeded, InvalidRequest, PayloadTooLarge
from arc_fabric.ids import pattern
from arc_fabric.queue.dispatch import TASK_PREFIX
from webapp.http.validation import of_validation
from webapp.work.bodies import JobForm

_FORM: TypeAdapter[JobForm] = TypeAdapter(JobForm)
_SESSION = re.compile(pattern("ses"))
_TASK_ID = re.compile(r"[\x21-\x7e]{1,200}")
_PER_SESSION = ("step", "rewind", "checkpoint", "close")


@dataclass
class Message:
    """One message, as it lies in the queue (`raw`, in `queue`), and what could be read of it."""

    queue: str
    raw: str
    task: str = ""
    task_id: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    problem: ArcFabricError | None = None
    """Why it cannot be a request, as far as the message itself says."""

    @property
    def kind(self) -> str:
        """The kind of job, as job records name it."""
        name = self.task.removeprefix(TASK_PREFIX)
        return name if self.task.startswith(TASK_PREFIX) and name in SHOWN_KINDS else UNKNOWN_KIND

    @property
    def session(self) -> str | None:
        """The session it is for; its messages take effect in their order. None: it is for none that exists."""
        given = self.kwargs.get("session_id")
        return given if self.kind in _PER_SESSION and isinstance(given, str) and _SESSION.fullmatch(given) else None

    @property
    def digest(self) -> str:
        """SHA-256 of the message's content: a sender that sends it twice sends this twice."""
        said = json.dumps([self.task, self.kwargs], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def form(self) -> JobForm:
        """The job form that it stands for. Raises the error with which it is refused."""
        if self.problem is not None:
            raise self.problem
        if self.kind == UNKNOWN_KIND:
            known = ", ".join(TASK_PREFIX + kind for kind in SHOWN_KINDS)
            raise InvalidRequest(f"There is no task {self.task!r}.", hint=f"Send one of {known}.")
        params = dict(self.kwargs)
        whole: dict[str, Any] = {"kind": self.kind, "idempotency_key": self.task_id}
        if self.kind in _PER_SESSION and "session_id" in params:
            whole["session_id"] = params.pop("session_id")
        if params or self.kind != "close":
            whole["params"] = params
        try:
            return _FORM.validate_python(whole)
        except ValidationError as error:
            raise of_validation(error) from None


def read(queue: str, raw: str, most_bytes: int, now: float) -> Message:
    """A message of the broker. It never fails: what is wrong with it is its `problem`."""
    found = Message(queue, raw)
    try:
        outer = json.loads(raw)
        headers = outer["headers"]
        found.task, found.task_id = str(headers["task"]), str(headers["id"])
        if len(raw) > most_bytes * 4 / 3 + 65536:
            raise PayloadTooLarge(f"The message has {len(raw)} bytes; a body may have {most_bytes} (max_body_bytes).")
        found.kwargs = _arguments(outer, headers)
        _check(found, headers, now)
    except ArcFabricError as error:
        found.problem = error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found.problem = InvalidRequest(
            f"This is no message of Celery's protocol 2 in JSON: {type(error).__name__}: {error}."[:500],
            hint='Send with app.send_task("arc.fork", kwargs={...}, queue="arc") and the serializer json.',
        )
    return found


def _arguments(outer: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments, once it is known that nothing else was asked for."""
    if outer.get("content-type") != "application/json" or headers.get("compression"):
        raise InvalidRequest(
            f"The message is {outer.get('content-type')}, compression {headers.get('compression')}.",
            hint="Send JSON without compression: Celery's default.",
        )
    body = outer["body"]
    if outer["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body, validate=True)
    args, kwargs, embed = json.loads(body)
    if not isinstance(kwargs, dict):
        raise TypeError("kwargs is no object")
    if args:
        raise InvalidRequest(f"{len(args)} positional arguments came.", hint="Give all of them by name (kwargs).")
    asked = [name for name in ("callbacks", "errbacks", "chain", "chord") if (embed or {}).get(name)]
    if asked:
        raise InvalidRequest(
            f"A task here has no {', '.join(asked)}: it ends when its job is accepted.",
            hint="Wait for the job: GET /api/jobs?idempotency_key=<task id>, then GET /api/jobs/{id}?wait=.",
        )
    return kwargs


def _check(found: Message, headers: dict[str, Any], now: float) -> None:
    if not _TASK_ID.fullmatch(found.task_id):
        raise InvalidRequest("A task id has 1 to 200 printable ASCII characters: it is the Idempotency-Key.")
    if headers.get("eta"):
        raise InvalidRequest("eta and countdown are not supported.", hint="Send the task when it shall be accepted.")
    if headers.get("expires") and _epoch(headers["expires"]) < now:
        raise DeadlineExceeded(f"The task expired at {headers['expires']}, before it was looked at.")


def _epoch(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
