"""Errors as `application/problem+json` (RFC 9457), each with a stable `code` and a sentence on what to do."""

from __future__ import annotations

import difflib
import errno
import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, has_request_context, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import WebsocketMismatch
from werkzeug.sansio.response import Response as AnyResponse

from arc_fabric.errors import ArcFabricError, ServiceError, StoreUnavailable
from arc_fabric.ledger import REDIS_OUTAGE, WritesRefused
from webapp.http.validation import of_validation

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_WHAT_TO_DO = {
    400: "Correct the request; /openapi describes every route.",
    404: "See /openapi for the routes of this server.",
    405: "Use one of the methods in the Allow header.",
    406: "Ask for a media type this route offers (see /openapi).",
    412: "Leave If-Match out, or name the present version.",
    413: "Send less, or raise max_body_bytes on the server.",
    415: "Send 'Content-Type: application/json' (or multipart/form-data where a file is taken).",
    416: "Ask for a byte range inside the file.",
    500: "This is a defect of the server: report it with the request id; trying again may work.",
}


def problem(
    status: int, code: str, detail: str, *, what_to_do: str = "", context: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The body: RFC 9457 members, then `code`, `what_to_do`, the request id and the error's own facts."""
    members = {
        "type": f"{request.script_root if has_request_context() else ''}/openapi/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "what_to_do": what_to_do or _WHAT_TO_DO.get(status, "See /openapi."),
        "code": code,
    }
    if has_request_context():
        members["request_id"] = g.get("request_id", "")
        members["instance"] = request.script_root + request.path
    return members | {key: value for key, value in (context or {}).items() if key not in members}


def of_error(error: ArcFabricError) -> dict[str, Any]:
    """The problem body of an error of ours."""
    return problem(error.status, error.code, error.message, what_to_do=error.what_to_do, context=error.context)


def respond(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A problem body as a response with its status."""
    # An error may carry what JSON cannot (a path, a numpy number): it must still reach the reader.
    text = json.dumps(body, default=str, ensure_ascii=True)
    response = Response(text, status=body["status"], mimetype=MEDIA_TYPE, headers=headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def register(app: Flask) -> None:
    """Answer every error of a request with a problem body."""

    @app.errorhandler(ArcFabricError)
    def _ours(error: ArcFabricError) -> Response:
        if error.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, error.message)
        return respond(of_error(error), _retry_after(error.status))

    @app.errorhandler(ValidationError)
    def _invalid(error: ValidationError) -> Response:
        return respond(of_error(of_validation(error)))

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response | AnyResponse:
        if error.response is not None:
            return error.response
        status = error.code or 500
        detail, way_out = error.description or HTTPStatus(status).phrase, ""
        if isinstance(error, WebsocketMismatch):
            detail = "This route speaks WebSocket on /ws/... and HTTP elsewhere; the request asked for the other."
        elif isinstance(error, NotFound):
            detail, way_out = _no_such_route()
        allow = sorted(error.valid_methods or ()) if isinstance(error, MethodNotAllowed) else []
        if allow:
            detail = f"{request.path} does not take {request.method}."
            way_out = f"Use {' or '.join(name for name in allow if name not in ('HEAD', 'OPTIONS'))}."
        body = problem(status, type(error).__name__, detail, what_to_do=way_out)
        return respond(body, {name: value for name, value in error.get_headers() if name != "Content-Type"})

    @app.errorhandler(Exception)
    def _defect(error: Exception) -> Response:
        down = redis_away(error) or no_room(error)
        if down is not None:
            return _ours(down)
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return respond(problem(500, "InternalError", "The server failed while answering this request."))


def redis_away(error: Exception) -> StoreUnavailable | None:
    """What a reader is told when Redis does not answer or takes no writes; None where the error says something else."""
    if isinstance(error, WritesRefused):
        return StoreUnavailable(
            f"Redis takes no writes: {error}", hint="Nothing was done. Mend Redis (arc-fabric doctor), then retry."
        )
    if isinstance(error, REDIS_OUTAGE):
        why = type(error).__name__  # a timeout, or a password that is none any more
        return StoreUnavailable(f"Redis does not answer ({why})", hint="Check Redis (arc-fabric doctor), then retry.")
    return None


def no_room(error: Exception) -> ServiceError | None:
    """What a reader is told when this machine has no memory, disk or file left; None where the error says something
    else."""
    if isinstance(error, MemoryError):
        return ServiceError("the web app has no memory left for this", hint="Ask for less, or try again later.")
    nowhere = isinstance(error, FileNotFoundError) and "temporary directory" in str(error)  # tempfile tries them all
    if isinstance(error, OSError) and (nowhere or error.errno in _NO_ROOM):
        return ServiceError(
            f"the machine of the web app has no room left for this: {error.strerror}",
            hint="Free disk space (TMPDIR), or open files, there; then try again.",
        )
    return None


def _retry_after(status: int) -> dict[str, str] | None:
    return {"Retry-After": "1"} if status in (429, 503) else None


def _no_such_route() -> tuple[str, str]:
    """What to say of an address that is none, with the nearest one that is."""
    rules = [str(rule) for rule in current_app.url_map.iter_rules()]
    near = difflib.get_close_matches(request.path, [rule for rule in rules if "<" not in rule], n=1, cutoff=0.75)
    hint = f"Did you mean {near[0]}? " if near else ""
    return f"There is nothing at {request.path}.", f"{hint}/openapi lists the routes of this server."
