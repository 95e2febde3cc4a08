"""How routes answer: accepted work, JSON with ETags, and the error part of every operation's OpenAPI."""

from __future__ import annotations

import hashlib
import json
import re
from http import HTTPStatus
from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from arc_fabric.ledger import Accepted, JobRecord
from webapp.context import ctx
from webapp.http.limits import MAX_WAIT_S
from webapp.schemas.ids import WaitHeaders

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?=$|[,;\s])")


def error(status: int) -> dict[str, Any]:
    """An error answer as OpenAPI shows it."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }


def errors(*statuses: int) -> dict[int, dict[str, Any]]:
    """Error answers in addition to those every route has."""
    return {status: error(status) for status in statuses}


def binary(*media_types: str, description: str) -> dict[str, Any]:
    """An answer that is a file."""
    schema = {"type": "string", "format": "binary"}
    return {"description": description, "content": {name: {"schema": schema} for name in media_types}}


def blueprint(name: str, tag: str, description: str, **options: Any) -> APIBlueprint:
    """A blueprint below /api whose operations all show the errors that any request can get."""
    common = {status: error(status) for status in (400, 401, 403, 404, 422, 429, 500, 503)}
    return APIBlueprint(
        name,
        __name__,
        url_prefix="/api",
        abp_tags=[Tag(name=tag, description=description)],
        abp_responses=common,
        operation_id_callback=lambda *, name, **_: name,
        **options,
    )


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON body."""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    return Response(text, status=status, mimetype="application/json", headers=headers)


def tagged_json(body: Any) -> Response:
    """JSON that may be asked for again: an ETag over its text, 304 when it is the one the client has."""
    response = json_answer(body)
    response.set_etag(hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


def wait_seconds(header: WaitHeaders | None, wait: float | None) -> float:
    """How long the client wants to wait: `?wait=`, else `Prefer: wait=`."""
    if wait is None and header is not None and header.prefer:
        found = _WAIT.search(header.prefer)
        wait = float(found.group(1)) if found else None
    return min(wait or 0.0, MAX_WAIT_S)


def wait_for(job: JobRecord, seconds: float) -> JobRecord:
    """The job after at most `seconds`; at once if too many requests wait already."""
    if seconds <= 0 or job.finished_for_good:
        return job
    with ctx().polls.seat() as free:
        return ctx().hub.wait_job(job.id, seconds) if free else job


def opened(accepted: Accepted) -> dict[str, Any]:
    """What the answer says of a new session."""
    session = accepted.session
    return {} if session is None else {"session_id": session.id, "session": session.to_dict()}


def accepted(answer: Accepted, seconds: float, extra: dict[str, Any] | None = None) -> Response:
    """202 with the job and where to poll it; 200 when it finished while the client waited."""
    job = wait_for(answer.job, seconds)
    headers = {"Location": f"/api/jobs/{job.id}"}
    if answer.job.replayed:
        headers["Idempotency-Replayed"] = "true"
    body = opened(answer) | (extra or {}) | {"job": job.to_dict()}
    return json_answer(body, 200 if job.finished_for_good else 202, headers)
