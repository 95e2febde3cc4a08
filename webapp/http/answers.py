"""How routes answer: JSON with ETags, and the error part of every operation's OpenAPI."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel
from werkzeug.exceptions import PreconditionFailed

Responses = dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None]
"""The answers of an operation by status, as flask_openapi3 takes them."""


def error(status: int) -> dict[str, Any]:
    """An error answer as OpenAPI shows it."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }


def errors(*statuses: int) -> Responses:
    """Error answers in addition to those every route has."""
    return {status: error(status) for status in statuses}


def binary(*media_types: str, description: str) -> dict[str, Any]:
    """An answer that is a file."""
    schema = {"type": "string", "format": "binary"}
    return {"description": description, "content": {name: {"schema": schema} for name in media_types}}


def blueprint(name: str, tag: str, description: str, **options: Any) -> APIBlueprint:
    """A blueprint below /api whose operations all show the errors that any request can get."""
    common: Responses = {status: error(status) for status in (400, 401, 403, 404, 422, 429, 500, 503)}
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
    response.make_conditional(request)
    if response.status_code == 412:
        raise PreconditionFailed("If-Match names another version")
    return response
