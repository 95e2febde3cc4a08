"""The finished OpenAPI document: what flask-openapi3 collects, completed with what it cannot say."""

from __future__ import annotations

import copy
import functools
from types import ModuleType
from typing import Any

from flask_openapi3 import OpenAPI
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from arc_fabric.settings import Settings
from webapp.model import observed_counts
from webapp.openapi.links import add_links
from webapp.schemas import evaluations, fleet, nodes, views
from webapp.work import bodies

DESCRIPTION = """Checkpoint a world at any frame, fork it with another prompt, seed or actions, rewind when a
trajectory fails, and compare the branches.

Work (create, step, rewind, checkpoint, fork) is accepted with 202 and a job: poll `GET /api/jobs/{id}`, wait with
`?wait=` or `Prefer: wait=`, or follow `/ws/stream`. Errors are `application/problem+json` with a stable `code` and a
sentence on what to do. A *step* adds `frames_per_step` video frames and one checkpoint; `frame_index` counts steps
from the root, a *video frame* number counts pictures, 0 being the initial frame. Times are epoch seconds."""


PICTURE = "initial_frame"
FORMS = {
    "/api/sessions": ("CreateSession", PICTURE),
    "/api/sessions/{session_id}/step": ("StepBody", "observed"),
}
"""Routes that also take multipart/form-data: the body's schema and its member that comes as files."""


class ApiSpec(OpenAPI):
    """An OpenAPI app whose document is finished once, at first use."""

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """The document, with marks where a setting or a running model decides."""
        self.generate_spec_json()
        return finish(copy.deepcopy(self.spec_json), self.config["SETTINGS"])

    def document_for(self, geometry: dict[str, Any], abilities: dict[str, Any]) -> dict[str, Any]:
        """The document as served at /openapi/openapi.json: with the model's own shapes, once one runs."""
        document = copy.deepcopy(self.document)
        if not abilities.get("needs_picture", True):
            create = document["paths"]["/api/sessions"]["post"]["requestBody"]["content"]["multipart/form-data"]
            for schema in (document["components"]["schemas"]["CreateSession"], create["schema"]):
                schema["required"].remove(PICTURE)
        if (cameras := geometry.get("cameras", 1)) > 1:
            step = document["paths"]["/api/sessions/{session_id}/step"]["post"]["requestBody"]["content"]
            members = step["multipart/form-data"]["schema"]["properties"]
            members |= _by_camera(members["observed"], cameras)
        _complete(document, _sizes(self.config["SETTINGS"], geometry, abilities))
        return document


def finish(spec: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Put in exact schemas, the multipart form and the security."""
    schemas = _schemas()
    spec["components"] = {"schemas": schemas}
    for path, item in spec["paths"].items():
        for operation in item.values():
            if isinstance(operation, dict):
                _finish_operation(path, operation)
                _finish_body(operation, schemas)
    add_links(spec["paths"])
    for path, (name, field) in FORMS.items():
        content = spec["paths"][path]["post"]["requestBody"]["content"]
        content["multipart/form-data"] = {"schema": _multipart(schemas[name], field)}
    if settings.tokens:
        spec["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        spec["security"] = [{"token": []}]
    return spec


def _schemas() -> dict[str, Any]:
    """Pydantic's own schemas: flask-openapi3's copies lose `additionalProperties` and `examples`."""
    taken: list[type[BaseModel]] = [*_below(bodies.Body), bodies.JobForms]
    given: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in taken]
    shown: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "serialization") for room in (views, nodes, fleet, evaluations) for model in _views(room)
    ]
    _, made = models_json_schema(given + shown, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = made["$defs"]
    _require_picture(schemas["CreateSession"])
    return schemas


def _require_picture(schema: dict[str, Any]) -> None:
    """A world begins from a picture, until a model runs that needs none; there is no null in place of one."""
    member = schema["properties"][PICTURE]
    choices = [choice for choice in member.pop("anyOf") if choice != {"type": "null"}]
    member.pop("default", None)
    member |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    schema["required"] = [*schema["required"], PICTURE]


def _below(base: type[BaseModel]) -> list[type[BaseModel]]:
    """The public models that descend from it, in whatever generation."""
    found = [model for child in base.__subclasses__() for model in (child, *_below(child))]
    return [model for model in found if not model.__name__.startswith("_")]


def _views(room: ModuleType) -> list[type[views.View]]:
    """The answers that a module of schemas defines."""
    found = [item for item in vars(room).values() if isinstance(item, type) and issubclass(item, views.View)]
    return [item for item in found if item.__module__ == room.__name__ and item is not views.View]


def _finish_operation(path: str, operation: dict[str, Any]) -> None:
    """Plain text, no null in parameters, and no validation answers in flask-openapi3's own shape."""
    answers = operation["responses"]
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]
    if "description" in operation:
        operation["description"] = operation["description"].replace("<br/>", "\n").strip()
    for parameter in operation.get("parameters", ()):
        _without_null(parameter)
    if not path.startswith("/api/") and path != "/metrics":
        operation["security"] = []


def _finish_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """No body is as good as an empty object: it may be left out where the object needs no member."""
    body = operation.get("requestBody", {})
    name = body.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    if schemas.get(name, {}).get("required"):
        body["required"] = True


def _without_null(parameter: dict[str, Any]) -> None:
    """A parameter is there or not; there is no null in a URL or header."""
    schema = parameter["schema"]
    choices = [choice for choice in schema.pop("anyOf", ()) if choice != {"type": "null"}]
    for choice in choices:
        schema.update(choice | {"description": schema.get("description", "")})
    if schema.get("default", 0) is None:
        del schema["default"]


def _sizes(settings: Settings, geometry: dict[str, Any], abilities: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a setting or the running model decides: arrays have exactly the model's sizes, lists of pictures one per
    camera, actions the names and limits of its controls, settings of the model those it declares."""
    known: dict[str, dict[str, Any]] = {
        "max_prompt_chars": {"maxLength": settings.max_prompt_chars},
        "max_steps_per_job": {"maximum": settings.max_steps_per_job},
    }
    if geometry:
        counts = observed_counts(geometry)
        known["observed"] = {"minItems": counts[0], "maxItems": counts[-1]}
        for name in ("state_dim", "action_dim", "action_horizon", "cameras"):
            known[name] = dict.fromkeys(("minItems", "maxItems"), geometry.get(name, 1))
        known["action_names"] = {"propertyNames": {"enum": list(geometry.get("action_names", ()))}}
        if controls := geometry.get("controls"):
            known["action_dim"] |= {"prefixItems": [_limits(control) for control in controls]}
            known["action_names"]["properties"] = {control["name"]: _limits(control) for control in controls}
    if abilities:
        own = {one["name"]: _limits(one) for one in abilities.get("settings", ())}
        known["model_settings"] = {"properties": own, "additionalProperties": False}
    return known


def _limits(control: dict[str, Any]) -> dict[str, Any]:
    whole = control["kind"] == "discrete"
    return {"type": "integer" if whole else "number", "minimum": control["low"], "maximum": control["high"]}


def _complete(node: Any, known: dict[str, dict[str, int]]) -> None:
    """Put what is known into the schemas that wait for it, and take their marks away."""
    if isinstance(node, dict):
        node.update(known.get(node.pop(bodies.OPEN, ""), {}))
        for value in node.values():
            _complete(value, known)
    elif isinstance(node, list):
        for value in node:
            _complete(value, known)


def _by_camera(frames: dict[str, Any], cameras: int) -> dict[str, Any]:
    """The frames of one step as files named by camera."""
    return {
        f"observed.{at}": copy.deepcopy(frames)
        | {"description": f"Instead of `observed`: the frames of camera {at}, as many as of the others."}
        for at in range(cameras)
    }


def _multipart(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """A body's schema for multipart/form-data: its members, with the pictures as files."""
    form = copy.deepcopy(schema)
    for member in form["properties"].values():
        _without_null({"schema": member})
    file = {"type": "string", "format": "binary"}
    words = "PNG, JPEG or WebP, at most 4096 x 4096 pixels"
    form["properties"].pop("actions", None)  # nested arrays have no place in a form
    if field == "observed":
        frames = {"type": "array", "items": file, "minItems": 1, "maxItems": bodies.MOST} | bodies.decided_by(field)
        form["properties"][field] = frames | {"description": f"The real frames of one step, in order; {words}."}
    else:
        form["properties"][field] = file | {"description": f"{words}."}
    return form
