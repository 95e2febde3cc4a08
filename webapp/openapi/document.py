"""The finished OpenAPI document: what flask-openapi3 collects, completed with what it cannot say."""

from __future__ import annotations

import copy
import functools
from types import ModuleType
from typing import Any

from flask_openapi3 import OpenAPI
from pydantic.json_schema import models_json_schema

from arc_fabric.settings import Settings
from webapp.content.model import observed_counts
from webapp.openapi.links import add_links
from webapp.schemas import bodies, fleet, nodes, views

DESCRIPTION = """Checkpoint a world at any frame, fork it with another prompt, seed or actions, rewind when a
trajectory fails, and compare the branches.

Work (create, step, rewind, checkpoint, fork) is accepted with 202 and a job: poll `GET /api/jobs/{id}`, wait with
`?wait=` or `Prefer: wait=`, or follow `/ws/stream`. Errors are `application/problem+json` with a stable `code` and a
sentence on what to do. A *step* adds `frames_per_step` video frames and one checkpoint; `frame_index` counts steps
from the root, a *video frame* number counts pictures, 0 being the initial frame. Times are epoch seconds."""


FORMS = {
    "/api/sessions": ("CreateSession", "initial_frame"),
    "/api/sessions/{session_id}/step": ("StepBody", "observed"),
}
"""Routes that also take multipart/form-data: the body's schema and its member that comes as files."""


class ApiSpec(OpenAPI):
    """An OpenAPI app whose document is finished once, at first use."""

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """The document without what only a running model knows."""
        self.generate_spec_json()
        return finish(copy.deepcopy(self.spec_json), self.config["SETTINGS"])

    def document_for(self, geometry: dict[str, Any]) -> dict[str, Any]:
        """The document as served at /openapi/openapi.json: with the model's own shapes, once one runs."""
        if not geometry:
            return self.document
        document = copy.deepcopy(self.document)
        _set_shapes(document["components"]["schemas"], geometry)
        for path, (_, field) in FORMS.items():
            form = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
            if field == "observed" and (cameras := geometry.get("cameras", 1)) > 1:
                form["properties"] |= _by_camera(form["properties"][field], cameras)
            _set_shapes(form, geometry)
        return document


def finish(spec: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Put in exact schemas, the limits of the settings, the multipart form and the security."""
    schemas = _schemas()
    spec["components"] = {"schemas": schemas}
    _set_limits(spec, settings)
    for path, item in spec["paths"].items():
        for operation in item.values():
            if isinstance(operation, dict):
                _finish_operation(path, operation)
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
    given = [(model, "validation") for model in (*bodies.Body.__subclasses__(), bodies.JobForms)]
    shown = [(model, "serialization") for room in (views, nodes, fleet) for model in _views(room)]
    _, made = models_json_schema(given + shown, ref_template="#/components/schemas/{model}")
    return made["$defs"]


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


def _without_null(parameter: dict[str, Any]) -> None:
    """A parameter is there or not; there is no null in a URL or header."""
    schema = parameter["schema"]
    choices = [choice for choice in schema.pop("anyOf", ()) if choice != {"type": "null"}]
    for choice in choices:
        schema.update(choice | {"description": schema.get("description", "")})
    if schema.get("default", 0) is None:
        del schema["default"]


def _set_limits(node: Any, settings: Settings) -> None:
    """The schemas hold stand-ins where a setting decides."""
    if isinstance(node, dict):
        if node.get("maxLength") == bodies.PROMPT_MAX:
            node["maxLength"] = settings.max_prompt_chars
        if node.get("maximum") == bodies.STEPS_MAX:
            node["maximum"] = settings.max_steps_per_job
        for value in node.values():
            _set_limits(value, settings)
    elif isinstance(node, list):
        for value in node:
            _set_limits(value, settings)


def _set_shapes(node: Any, geometry: dict[str, Any]) -> None:
    """State and action arrays have exactly the model's sizes, lists of pictures one per camera."""
    counts = observed_counts(geometry)
    sizes = {
        bodies.STATE_MAX: (geometry["state_dim"],) * 2,
        bodies.ROW_MAX: (geometry["action_dim"],) * 2,
        bodies.HORIZON_MAX: (geometry["action_horizon"],) * 2,
        bodies.CAMERAS_MAX: (geometry.get("cameras", 1),) * 2,
        bodies.OBSERVED_MAX: (counts[0], counts[-1]),
    }
    if isinstance(node, dict):
        if node.get("maxItems") in sizes:
            node["minItems"], node["maxItems"] = sizes[node["maxItems"]]
        for value in node.values():
            _set_shapes(value, geometry)
    elif isinstance(node, list):
        for value in node:
            _set_shapes(value, geometry)


def _by_camera(frames: dict[str, Any], cameras: int) -> dict[str, Any]:
    """The frames of one step as files named by camera."""
    return {
        f"observed.{at}": copy.deepcopy(frames)
        | {"description": f"Instead of `observed`: the frames of camera {at}, as many as of the others."}
        for at in range(cameras)
    }


def _multipart(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """The same members as a form, the pictures as files."""
    form = copy.deepcopy(schema)
    for member in form["properties"].values():
        _without_null({"schema": member})
    file = {"type": "string", "format": "binary"}
    words = "PNG, JPEG or WebP, at most 4096 x 4096 pixels"
    form["properties"].pop("actions", None)  # nested arrays have no place in a form
    if field == "observed":
        frames = {"type": "array", "items": file, "minItems": 1, "maxItems": bodies.OBSERVED_MAX}
        form["properties"][field] = frames | {"description": f"The real frames of one step, in order; {words}."}
    else:
        form["properties"][field] = file | {"description": f"{words}."}
    return form
