"""Settings of the model over HTTP: taken with sessions, forks and steps, refused at the edge, seen in nodes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.api.conftest import Made
from tests.support.web_server import WebServer

OTHER = {"guidance": 3.5, "rounds": 4}


def _node(web: WebServer, checkpoint_id: str) -> dict[str, Any]:
    return web.ok("GET", f"/api/checkpoints/{checkpoint_id}")


def _latents(web: WebServer, checkpoint_id: str) -> bytes:
    return web.http.get(f"/api/checkpoints/{checkpoint_id}/latents").content


def test_the_model_says_what_can_be_set(web: WebServer, session: Made) -> None:
    """With limits, and so does the API's document."""
    found = web.ok("GET", "/api/model")["abilities"]["settings"]
    assert [(one["name"], one["kind"], one["default"]) for one in found] == [
        ("guidance", "continuous", 2.0), ("rounds", "discrete", 2)
    ]  # fmt: skip
    body = web.ok("GET", "/openapi/openapi.json")["components"]["schemas"]["ForkBody"]["properties"]["model_settings"]
    given = next(one for one in body["anyOf"] if one.get("type") == "object")
    assert given["properties"]["rounds"] == {"type": "integer", "minimum": 1, "maximum": 8}
    assert given["additionalProperties"] is False


def test_a_session_has_them_from_its_beginning_and_its_forks_too(web: WebServer, picture: str, session: Made) -> None:
    """Their steps have other bits; a fork takes up those of its checkpoint, or has its own in place of them."""
    made = Made(web, picture, model_settings=OTHER | {"guidance": 2.0})
    assert made.now()["model_settings"] == {"rounds": 4}, "what is as by default is left out"
    root = made.now()["head"]
    assert _node(web, root)["model_settings"] == {"rounds": 4}
    head = made.step()["result"]["head"]
    session.step()
    assert _node(web, head)["model_settings"] == {"rounds": 4}
    assert _latents(web, head) != _latents(web, session.now()["head"])
    again = made.fork(checkpoint_id=root, steps=1)
    assert again["model_settings"] == {"rounds": 4}
    assert _latents(web, again["head"]) == _latents(web, head)
    plain = made.fork(checkpoint_id=root, steps=1, model_settings={})
    assert (plain["model_settings"], _node(web, plain["head"])["model_settings"]) == ({}, {})
    assert _latents(web, plain["head"]) == _latents(web, session.now()["head"]), "the bits of a world without any"
    assert _node(web, session.now()["head"])["model_settings"] == {}


def test_a_step_sets_them_for_good(web: WebServer, session: Made) -> None:
    """As a new prompt does; a fork of an earlier checkpoint has what that one had."""
    first = session.step()["result"]["head"]
    session.step(model_settings={"rounds": 4})
    last = session.step()["result"]["head"]
    assert session.now()["model_settings"] == _node(web, last)["model_settings"] == {"rounds": 4}
    assert session.fork(checkpoint_id=first)["model_settings"] == {}
    session.step(model_settings={})
    assert session.now()["model_settings"] == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": 1}, "no setting 'colour'"),
        ({"rounds": 1.5}, "whole number from 1 to 8"),
        ({"guidance": 11}, "from 0 to 10"),
        ({"guidance": "1"}, "model_settings"),
        ({"rounds": True}, "model_settings"),
        ([], "model_settings"),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_a_job(
    web: WebServer, session: Made, picture: str, given: Any, said: str
) -> None:
    head = session.now()["head"]
    jobs = len(web.ok("GET", f"/api/jobs?session={session.id}")["items"])
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/api/sessions", {"prompt": "p", "initial_frame": picture}), (f"{session.path}/step", {}),
        (f"/api/checkpoints/{head}/fork", {}),
        ("/api/jobs", {"kind": "fork", "params": {"checkpoint_id": head}}),
    ]  # fmt: skip
    for path, body in bodies:
        (body["params"] if path == "/api/jobs" else body)["model_settings"] = given
        assert said in str(web.problem(422, "POST", path, json=body)), path
    slot = {"session_id": session.id, "model_settings": given}
    assert said in str(web.problem(422, "POST", "/api/sessions/step-many", json={"slots": [slot]}))
    assert len(web.ok("GET", f"/api/jobs?session={session.id}")["items"]) == jobs


def test_a_form_has_them_as_json(web: WebServer) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (9, 9, 9)).save(out, "PNG")
    files = {"initial_frame": ("frame.png", out.getvalue(), "image/png")}
    data = {"prompt": "p", "model_settings": '{"rounds": 3}'}
    assert web.ok("POST", "/api/sessions?wait=30", data=data, files=files)["session"]["model_settings"] == {"rounds": 3}
    problem = web.problem(422, "POST", "/api/sessions", data=data | {"model_settings": "3"}, files=files)
    assert "object" in str(problem)


def test_many_sessions_step_with_their_own(web: WebServer, session: Made) -> None:
    forks = [session.fork()["id"] for _ in range(2)]
    slots = [{"session_id": forks[0]}, {"session_id": forks[1], "model_settings": {"rounds": 5}}]
    answer = web.http.post("/api/sessions/step-many?wait=60", json={"slots": slots})
    assert answer.status_code == 200
    with np.load(io.BytesIO(answer.content)) as arrays:
        assert not np.array_equal(arrays["frames.0"], arrays["frames.1"])
    assert web.ok("GET", f"/api/sessions/{forks[1]}")["model_settings"] == {"rounds": 5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_settings": {"colour": [1]}}, "no setting 'colour'"),
        ({"model_settings": {"rounds": [2, 9]}}, "from 1 to 8"),
        ({"model_settings": {"rounds": []}}, "rounds"),
        ({"model_settings": {"rounds": [2, 2]}}, "twice"),
        ({"variants": [{"model_settings": {"rounds": 9}}]}, "from 1 to 8"),
        ({"variants": [{"prompt": "x" * 5000}]}, "max_prompt_chars"),
        ({"variants": [{"seed": 1}], "model_settings": {"rounds": [2, 3]}}, "several values"),
    ],
)
def test_a_plan_with_what_the_model_does_not_take_starts_nothing(
    web: WebServer, session: Made, change: dict[str, Any], said: str
) -> None:
    plan = {"checkpoints": [session.now()["head"]], "steps": 1} | change
    for path in ("/api/evaluations", "/api/evaluations?dry_run=true"):
        assert said in str(web.problem(422, "POST", path, json=plan))
