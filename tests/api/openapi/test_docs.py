"""docs/reference/api.md and the OpenAPI document say everything that the server does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from arc_fabric import errors
from arc_fabric.settings import Settings
from tests.support.web_server import WebServer
from webapp.openapi.links import LINKS
from webapp.schemas import fleet
from webapp.work.bodies import OPEN

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "api.md").read_text()
DEFAULTS = Settings()
MESSAGES = ("hello", "event", "error", "pong", "subscribe", "credit", "ping")


@pytest.fixture(scope="module")
def document(web_server: WebServer) -> dict[str, Any]:
    """The served OpenAPI document."""
    return web_server.ok("GET", "/openapi/openapi.json")


def test_every_route_is_documented_and_every_documented_route_exists(document: dict[str, Any]) -> None:
    """The tables of docs/reference/api.md are the routes of the server, no more and no less."""
    served = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    written = set(re.findall(r"^\| `((?:GET|POST|PATCH|DELETE|PUT) /[^`?]*)` \|", TEXT, re.MULTILINE))
    assert written == served


def test_routes_outside_the_description_are_known(web_server: WebServer) -> None:
    """Pages and WebSockets are named in the text."""
    for path in ("/ws/stream", "/ws/sessions/{session_id}/stream", "/login", "/logout", "/static/*", "/openapi"):
        assert path in TEXT


def test_every_error_is_documented() -> None:
    """Each class of arc_fabric.errors is named."""
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_every_message_and_event_is_documented() -> None:
    """Message types, and the kinds that the ledger's scripts and the workers emit."""
    assert [name for name in MESSAGES if f"`{name}`" not in TEXT] == []
    root = Path(__file__).resolve().parents[3]
    sources = [
        *root.glob("arc_fabric/ledger/**/*.lua"),
        *root.glob("arc_fabric/ledger/*.py"),
        *root.glob("workers/*.py"),
    ]
    kinds = {
        kind
        for source in sources
        for kind in re.findall(r"""['"]((?:session|job|node|worker)\.[a-z]+)['"]""", source.read_text())
    }
    assert kinds
    assert sorted(kind for kind in kinds if f"`{kind}`" not in TEXT) == []


def test_operations_and_parameters_have_descriptions(document: dict[str, Any]) -> None:
    """Summary, tag and answers everywhere; a description on every parameter."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            assert all(parameter.get("description") for parameter in operation.get("parameters", [])), (method, path)


def _clear(schema: dict[str, Any], everything: dict[str, Any]) -> bool:
    """Whether a reader can picture a value: from examples, or from a type that says it all."""
    if schema.keys() & {"examples", "example", "enum", "const", "default"} or schema.get("type") in ("boolean", "null"):
        return True
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2] in everything
    if "anyOf" in schema or "oneOf" in schema:
        return any(_clear(choice, everything) for choice in schema.get("anyOf", schema.get("oneOf")) if choice != NULL)
    return schema.get("type") == "array" and _clear(schema.get("items", {}), everything)


NULL = {"type": "null"}


def test_every_schema_is_described_with_examples(document: dict[str, Any]) -> None:
    """What a schema is, what each of its members is, and what it looks like."""
    schemas = document["components"]["schemas"]
    poor = [name for name, schema in schemas.items() if not schema.get("description")]
    for name, schema in schemas.items():
        for member, shape in schema.get("properties", {}).items():
            words = [shape, *shape.get("anyOf", ())]
            if not any(part.get("description") or "$ref" in part for part in words):
                poor.append(f"{name}.{member}: description")
            if not _clear(shape, schemas):
                poor.append(f"{name}.{member}: examples")
    assert poor == []


def test_answers_of_the_operators_routes_have_the_members_described(web_server: WebServer) -> None:
    """The model, its samples, workers, queues, storage and usage: what is described comes, and nothing else."""
    served = {
        "/api/model": fleet.ModelAnswer, "/api/workers": fleet.WorkerPage, "/api/samples": fleet.SamplePage,
        "/api/queues": fleet.QueuesAnswer, "/api/storage": fleet.StorageAnswer, "/api/usage": fleet.UsagePage,
        "/api/storage/freeable": fleet.FreeableAnswer,
    }  # fmt: skip
    for path, view in served.items():
        assert _surplus(view.model_validate(web_server.ok("GET", path))) == [], path


def _surplus(value: Any) -> list[str]:
    """Members of an answer, and of all in it, that its schema does not name."""
    if isinstance(value, BaseModel):
        inner = [name for member in type(value).model_fields for name in _surplus(getattr(value, member))]
        return [f"{type(value).__name__}.{name}" for name in value.model_extra or {}] + inner
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for item in items for name in _surplus(item)]


def test_links_name_what_exists(document: dict[str, Any]) -> None:
    """Every operation that a link starts from or leads to is one, and takes the parameters it is given."""
    operations = {o["operationId"]: o for item in document["paths"].values() for o in item.values()}
    assert set(LINKS) <= set(operations)
    for source in LINKS:
        links = [
            link for answer in operations[source]["responses"].values() for link in answer.get("links", {}).values()
        ]
        assert links, source
        for link in links:
            taken = {parameter["name"] for parameter in operations[link["operationId"]]["parameters"]}
            assert set(link["parameters"]) <= taken, link


def test_settings_and_the_running_model_complete_the_schemas(web_server: WebServer, document: dict[str, Any]) -> None:
    """Exact limits and sizes where a setting or the model decides, in bodies and forms, and no mark is left."""
    sizes = web_server.ok("GET", "/api/model")["geometry"]
    step = document["components"]["schemas"]["StepBody"]["properties"]
    form = document["paths"]["/api/sessions/{session_id}/step"]["post"]["requestBody"]["content"]
    exact = [member["anyOf"][0] for member in (step["state"], step["actions"]["anyOf"][0]["items"])]
    assert [(found["minItems"], found["maxItems"]) for found in exact] == [
        (sizes["state_dim"],) * 2,
        (sizes["action_horizon"],) * 2,
    ]
    for members in (step, form["multipart/form-data"]["schema"]["properties"]):
        whole = json.dumps([members["prompt"], members["steps"]])
        assert f'"maxLength": {DEFAULTS.max_prompt_chars}' in whole
        assert f'"maximum": {DEFAULTS.max_steps_per_job}' in whole
    assert OPEN not in json.dumps(document)
