"""Answers about sessions and jobs, as OpenAPI shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from arc_fabric.records import Job, Session, hints, members
from arc_fabric.records.types import JOB_EXAMPLE, SESSION_EXAMPLE, SessionId

NEXT = "Pass it as `cursor` for the page that follows; null at the end."
V = TypeVar("V", bound="View")


class View(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="allow")


def shows(record: type) -> Callable[[type[V]], type[V]]:
    """Make a view show a record: what it is, and every member as its definition describes it, always there."""

    def made(view: type[V]) -> type[V]:
        shown = {name: (hint, members(record)[name].metadata["schema"]) for name, hint in hints(record).items()}
        return create_model(  # type: ignore[call-overload,no-any-return]
            view.__name__, __base__=view, __module__=view.__module__, __doc__=record.__doc__, **shown
        )

    return made


class Problem(View):
    """An error (RFC 9457) with a stable code and what to do about it."""

    type: str = Field(
        description="Where the error is described, relative to this server.",
        examples=["/openapi/errors#SessionNotFound"],
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What happened and what was expected.",
        examples=["there is no session ses_01jd6xy0m8v9k2q4r6t8w0y2z4"],
    )
    what_to_do: str = Field(description="The way out, in words.", examples=["GET /api/sessions lists them."])
    code: str = Field(description="Stable error name.", examples=["SessionNotFound"])
    request_id: str | None = Field(
        None,
        description="As in the X-Request-Id header and the server's log.",
        examples=["req_01jd6xy0m8v9k2q4r6t8w0y2z4"],
    )
    instance: str | None = Field(
        None, description="The path that was asked for.", examples=[f"/api/sessions/{SESSION_EXAMPLE}"]
    )


@shows(Session)
class SessionView(View):
    """A session as HTTP shows it."""


@shows(Job)
class JobView(View):
    """A job as HTTP shows it."""


class SessionAnswer(View):
    """One session."""

    session: SessionView


class WorkAccepted(View):
    """Accepted work; poll the job at the Location, or wait with ?wait=."""

    job: JobView


class InitialFrame(View):
    """The image that came and what becomes of it."""

    width: int | None = Field(None, description="Pixels, as it came; null for a sample.", examples=[640])
    height: int | None = Field(None, description="Pixels, as it came; null for a sample.", examples=[480])
    note: str | None = Field(
        None, description="What becomes of it, in words.", examples=["scaled to 64 x 64 by the worker"]
    )


class SessionAccepted(View):
    """A new session and the job that makes it ready."""

    session_id: SessionId
    session: SessionView
    job: JobView
    initial_frame: InitialFrame | None = Field(
        None, description="The image that came and what becomes of it; only when a session is created."
    )


class SessionPage(View):
    """A page of sessions, newest first."""

    items: list[SessionView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=[SESSION_EXAMPLE])


class JobPage(View):
    """A page of jobs, newest first."""

    items: list[JobView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=[JOB_EXAMPLE])


class JobsAnswer(View):
    """For a list: one entry per job, in that order. For one form: what the kind's own route answers."""

    items: list[dict[str, Any]] | None = Field(
        None,
        description="{job} or {problem} each; {session_id, session} too for create and fork.",
        examples=[[{"job": {"id": JOB_EXAMPLE, "state": "queued"}}]],
    )
    job: JobView | None = Field(None, description="The job, for one form.")
    session: SessionView | None = Field(None, description="The new session, for one form of kind create or fork.")


class Health(View):
    """State of the server and of what it needs."""

    status: Literal["ok", "degraded", "down"] = Field(description="ok when every check is.")
    checks: dict[str, str] = Field(
        default_factory=dict,
        description="By part: ok, missing, or what is wrong. threads: background threads of web and workers.",
        examples=[{"redis": "ok", "object_store": "ok", "worker": "missing", "threads": "ok"}],
    )
