"""What a viewer may say on the stream, checked; and the JSON the server says.

>>> parse('{"type":"credit","pane":0,"n":2}')
Credit(type='credit', pane=0, n=2)
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from arc_fabric.errors import ArcFabricError
from arc_fabric.records.types import SessionId
from webapp.http.problems import of_error

MOST_PANES = 64
EVENT_ID = r"^[0-9]{1,15}(-[0-9]{1,15})?$"


class Message(BaseModel):
    """Base of client messages."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Subscribe(Message):
    """Show these sessions, one pane each in this order; `last_id`: first replay the events after it."""

    type: Literal["subscribe"]
    session_ids: list[SessionId] = Field(max_length=MOST_PANES)
    last_id: Annotated[str, Field(pattern=EVENT_ID)] | None = None


class Credit(Message):
    """`n` frames of a pane were drawn: as many more may come."""

    type: Literal["credit"]
    pane: int = Field(ge=0, lt=MOST_PANES)
    n: int = Field(1, ge=1, le=1000)


class Ping(Message):
    """Answered with {"type":"pong"}."""

    type: Literal["ping"]


_ANY: TypeAdapter[Subscribe | Credit | Ping] = TypeAdapter(
    Annotated[Subscribe | Credit | Ping, Field(discriminator="type")]
)


def parse(text: str) -> Subscribe | Credit | Ping:
    """Check a client message; pydantic's ValidationError otherwise."""
    return _ANY.validate_json(text)


def dumps(message: dict[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(message, separators=(",", ":"))


def error_text(error: ArcFabricError) -> str:
    """An error message: a problem body with type "error"; the problem's own type stays in `problem`."""
    body = of_error(error)
    return dumps(body | {"type": "error", "problem": body["type"]})


def event_key(event_id: str) -> tuple[int, int]:
    """Event ids in their order."""
    first, _, second = event_id.partition("-")
    return int(first), int(second or 0)
