"""The WebSocket routes. Who may connect is decided before the handshake, with a problem body."""

from __future__ import annotations

import re
import threading

from flask import Blueprint, Flask, request
from flask_sock import Sock
from simple_websocket import Server

from arc_fabric.errors import InvalidRequest, TooManyViewers
from webapp.context import ctx
from webapp.schemas.ids import SessionPath
from webapp.stream.messages import EVENT_ID
from webapp.stream.sockets import SERVER_OPTIONS, GuardedSocket, prepare
from webapp.stream.viewer import Viewer

_SEAT = "arc_fabric.seat"
_SOCKET = "arc_fabric.socket"


def register(app: Flask) -> None:
    """Add the stream to the app."""
    app.config["SOCK_SERVER_OPTIONS"] = SERVER_OPTIONS
    seats = threading.BoundedSemaphore(app.config["MAX_VIEWERS"])
    stream = Blueprint("stream", __name__)
    sock = Sock()

    @stream.before_request
    def _admit() -> None:
        view = request.view_args or {}
        if "session_id" in view:
            ctx().ledger.sessions.get(SessionPath.model_validate(view).session_id)
        last_id = request.args.get("last_id")
        if last_id is not None and not re.fullmatch(EVENT_ID, last_id, re.ASCII):
            raise InvalidRequest(
                f"last_id {last_id[:40]!r} is no event id", hint="Give the id of the last event you have."
            )
        guarded = prepare(request.environ)
        if not seats.acquire(blocking=False):
            raise TooManyViewers("all places for viewers are taken")
        request.environ[_SEAT] = seats
        request.environ[_SOCKET] = guarded

    @stream.teardown_request
    def _leave(_error: BaseException | None) -> None:
        seat = request.environ.pop(_SEAT, None)
        if seat is not None:
            seat.release()

    @sock.route("/ws/stream", bp=stream)
    def _all(ws: Server) -> None:
        _serve(ws, None)

    @sock.route("/ws/sessions/<string:session_id>/stream", bp=stream)
    def _one(ws: Server, session_id: str) -> None:
        _serve(ws, session_id)

    app.register_blueprint(stream)


def _serve(ws: Server, session_id: str | None) -> None:
    guarded: GuardedSocket = request.environ[_SOCKET]
    context = ctx()
    viewer = Viewer(
        ws, guarded, context.ledger, context.hub, session_id=session_id, last_id=request.args.get("last_id")
    )
    viewer.serve()
