"""Sessions: open, list, look at, close, reopen."""

from __future__ import annotations

from typing import Literal

from flask import Response
from pydantic import Field

from arc_fabric.base.terms import SessionState
from arc_fabric.ids import pattern
from webapp.context import ctx
from webapp.http.answers import blueprint, errors, json_answer
from webapp.schemas.ids import Query, SessionPath, WorkHeaders
from webapp.schemas.views import SessionAccepted, SessionAnswer, SessionPage, SessionView
from webapp.work.accepted import accepted, wait_seconds
from webapp.work.bodies import CreateSession, ReopenBody
from webapp.work.requests import open_session

sessions = blueprint("sessions", "sessions", "A session is a head in a trajectory tree that can be stepped.")


class WaitQuery(Query):
    """How long to wait for the job."""

    wait: float | None = Field(
        None, ge=0, le=600, description="Seconds to wait for the job to finish (60 at most are waited)."
    )


class SessionsQuery(Query):
    """Which sessions to list."""

    state: SessionState | None = Field(None, description="Only those.")
    bulk: Literal["true", "false"] = Field("false", description="List the bulk (evaluation) sessions instead.")
    cursor: str | None = Field(None, pattern=pattern("ses"), description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500, description="Sessions per page.")


@sessions.post("/sessions", responses={200: SessionAccepted, 202: SessionAccepted, **errors(409, 413, 415, 507)})
def create_session(header: WorkHeaders, query: WaitQuery, body: CreateSession) -> Response:
    """Open a session

    Takes an initial frame and a prompt. The session can be stepped at once: its jobs run in order, after the
    `create` job that encodes the frame. At most `max_open_sessions` sessions are open.
    """
    request, note = open_session(body, header.idempotency_key)
    return accepted(ctx().dispatcher.accept(request), wait_seconds(header, query.wait), {"initial_frame": note})


@sessions.get("/sessions", responses={200: SessionPage})
def list_sessions(query: SessionsQuery) -> Response:
    """List sessions, newest first"""
    page = ctx().ledger.sessions.page(query.state, query.cursor, query.limit, bulk=query.bulk == "true")
    return json_answer({"items": [item.to_dict() for item in page.items], "next": page.next})


@sessions.get("/sessions/<string:session_id>", responses={200: SessionView})
def get_session(path: SessionPath) -> Response:
    """Look at a session"""
    return json_answer(ctx().ledger.sessions.get(path.session_id).to_dict())


@sessions.delete("/sessions/<string:session_id>", responses={200: SessionAnswer})
def close_session(path: SessionPath) -> Response:
    """Close a session

    Its slot is free at once, unfinished jobs are cancelled, its tree and checkpoints stay.
    """
    return json_answer({"session": ctx().ledger.sessions.close(path.session_id).to_dict()})


@sessions.post("/sessions/<string:session_id>/heartbeat", responses={200: SessionAnswer, **errors(409)})
def heartbeat(path: SessionPath) -> Response:
    """Say that the session's client lives

    For sessions that were made with `lease_s`: without a heartbeat or new work for so long they are closed. No error
    for others.
    """
    return json_answer({"session": ctx().ledger.sessions.heartbeat(path.session_id).to_dict()})


@sessions.post("/sessions/<string:session_id>/reopen", responses={200: SessionAnswer, **errors(409, 413, 415, 507)})
def reopen_session(path: SessionPath, body: ReopenBody) -> Response:
    """Open a closed session again, at its head"""
    return json_answer({"session": ctx().ledger.sessions.reopen(path.session_id, body.lease_s).to_dict()})
