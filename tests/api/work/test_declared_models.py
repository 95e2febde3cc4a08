"""Models that declare their state, over HTTP: worlds from a prompt alone, controls with limits, no VAE, no actions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from arc_fabric import Session, StateManager
from arc_fabric.client import ArcFabric
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.steps.result import StepResult
from tests.support.rolling_model import load, load_plain
from tests.support.web_fixtures import serving
from tests.support.web_server import WebServer

PROMPT, SEED = "walk to the door", 7
REST, WALK = [0.0, 0.0, 0.0], [1.0, -1.0, 7.5]


def serve(name: str, s3_server: WeedServer, factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """The web app with a worker on a model of tests/support/rolling_model.py, on a Redis of its own."""
    redis = ValkeyServer(factory.mktemp("declared-redis"))
    redis.start()
    model = f"python:tests.support.rolling_model:{name}"
    with serving(s3_server, redis.url, factory.mktemp("declared"), model=model) as web:
        yield web
    redis.stop()


@pytest.fixture(scope="module")
def steered_server(s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Keyboard and camera; no picture is needed."""
    yield from serve("load", s3_server, tmp_path_factory)


@pytest.fixture(scope="module")
def plain_server(s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Neither actions nor latents; no picture is needed."""
    yield from serve("load_plain", s3_server, tmp_path_factory)


@pytest.fixture
def steered(steered_server: WebServer) -> WebServer:
    """With all slots free."""
    steered_server.close_all()
    return steered_server


@pytest.fixture
def plain(plain_server: WebServer) -> WebServer:
    """With all slots free."""
    plain_server.close_all()
    return plain_server


def begin(web: WebServer) -> str:
    """A world from its prompt alone; its session's path."""
    answer = web.ok("POST", "/api/sessions?wait=60", json={"prompt": PROMPT, "seed": SEED})
    assert answer["job"]["state"] == "succeeded" and "black" in answer["initial_frame"]["note"], answer
    return f"/api/sessions/{answer['session_id']}"


def in_process(model: str, actions: list | None = None, steps: int = 1) -> list[StepResult]:
    """The same world without a server."""
    made = load() if model == "load" else load_plain()
    session = Session("s", made, StateManager(made), PROMPT, seed=SEED)
    given = None if actions is None else np.asarray(actions, np.float32)
    return [session.step(given) for _ in range(steps)]


def test_a_world_begins_from_its_prompt_and_named_controls_steer_it(steered: WebServer) -> None:
    """Numbers in order and numbers by name are one action, with the bits of the SDK; what is not named rests."""
    by_name = {"forward": 1, "turn": -1, "yaw": 7.5}
    made = []
    for action in (WALK, by_name):
        path = begin(steered)
        job = steered.ok("POST", f"{path}/step?wait=60", json={"actions": [[action] * 6]})["job"]
        assert job["state"] == "succeeded" and job["params"]["actions"] == [[WALK] * 6], job
        made.append(steered.http.get(f"{path}/latents/1").content)
    expected = in_process("load", [WALK] * 6)[0].step_latents.numpy()
    assert made[0] == made[1] and expected.tobytes() in made[0]
    path = begin(steered)
    job = steered.ok("POST", f"{path}/step?wait=60", json={"actions": [[{"yaw": 3}] * 6]})["job"]
    assert job["params"]["actions"] == [[[0.0, 0.0, 3.0]] * 6]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([0, 0, 15.5], "yaw = 15.5; it is a number from -15 to 15"),
        ([0.5, 0, 0], r"forward = 0.5; it is a whole number from 0 to 1 (up, down)"),
        ([0, -2, 0], "(left, none, right)"),
        ({"yaw": 16}, "yaw = 16"),
        ({"jump": 1}, "there is no control 'jump' in this model; it has forward, turn, yaw"),
        ([0, 0], "this model takes 3 (action_dim)"),
    ],
)
def test_an_action_beyond_the_limits_is_refused_at_the_door(steered: WebServer, row: object, says: str) -> None:
    """422, naming control, value and limits, before a job exists: in every form of work."""
    path = begin(steered)
    session = path.rpartition("/")[2]
    rows = [REST] * 5 + [row]
    jobs = len(steered.ok("GET", f"/api/jobs?session={session}")["items"])
    form = {"kind": "step", "session_id": session, "params": {"actions": [rows]}}
    many = {"slots": [{"session_id": session, "action": rows}]}
    for route, body in ((f"{path}/step", {"actions": [rows]}), ("/api/jobs", form), ("/api/sessions/step-many", many)):
        problem = steered.problem(422, "POST", route, json=body)
        assert says in str(problem), problem
    assert len(steered.ok("GET", f"/api/jobs?session={session}")["items"]) == jobs


def test_the_document_states_controls_and_that_no_picture_is_needed(steered: WebServer) -> None:
    """GET /api/model and the OpenAPI document of the running model."""
    card = steered.ok("GET", "/api/model")
    names = [control["name"] for control in card["geometry"]["controls"]]
    assert names == ["forward", "turn", "yaw"] and card["abilities"]["needs_picture"] is False
    document = steered.ok("GET", "/openapi/openapi.json")
    create = document["components"]["schemas"]["CreateSession"]
    assert create["required"] == ["prompt"] and "initial_frame" in create["properties"]
    text = str(document["components"]["schemas"]["StepBody"])
    assert "'minimum': -15.0, 'maximum': 15.0" in text and "'enum': ['forward', 'turn', 'yaw']" in text


def test_a_model_without_actions_and_latents_runs(plain: WebServer) -> None:
    """Steps, a fork, a rewind, frames, a comparison and a clip; actions and latents are refused in words."""
    path = begin(plain)
    assert plain.ok("POST", f"{path}/step?wait=60", json={"steps": 4})["job"]["state"] == "succeeded"
    head = plain.ok("GET", path)["head"]
    expected = in_process("load_plain", steps=5)
    node = plain.ok("GET", f"/api/checkpoints/{head}")
    assert node["actions"] is None and node["frame_index"] == 4
    fork = plain.ok("POST", "/api/checkpoints/" + head + "/fork?wait=60", json={"steps": 1})
    assert fork["job"]["state"] == "succeeded", fork
    plain.ok("POST", f"{path}/step?wait=60", json={})
    fabric = ArcFabric(plain.url)
    ours, theirs = (fabric.session(s) for s in (path.rpartition("/")[2], fork["session_id"]))
    strip = np.concatenate([step.frames for step in expected])
    assert np.array_equal(ours.frames()[1:], strip) and np.array_equal(theirs.frames()[1:], strip)
    assert not ours.frames()[0].any(), "frame 0 is black"
    problem = plain.problem(422, "POST", f"{path}/step", json={"actions": [[[0.0]]]})
    assert "takes no actions" in str(problem)
    problem = plain.http.get(f"/api/checkpoints/{head}/latents")
    assert problem.status_code == 404 and "no latents" in problem.text, problem.text
    compared = plain.ok("GET", "/api/compare", params={"nodes": f"{ours.head},{theirs.head}"})
    assert compared["common_ancestor"] == head and list(compared["equal"].values()) == [True]
    other = plain.ok("POST", f"/api/checkpoints/{head}/fork?wait=60", json={"steps": 1, "new_prompt": "walk back"})
    third = plain.ok("GET", f"/api/sessions/{other['session_id']}")["head"]
    compared = plain.ok("GET", "/api/compare", params={"nodes": f"{ours.head},{third}"})
    assert compared["first_differing_frame_index"] == 5 and list(compared["equal"].values()) == [False]
    assert list(compared["series"]["latent"].values()) == [[None]]
    rewound = plain.ok("POST", f"{path}/rewind?wait=60", json={"n_steps": 2})
    assert rewound["job"]["state"] == "succeeded"


def test_observed_frames_are_refused_in_words(steered: WebServer, picture: str) -> None:
    """A model that does not observe says so at the door."""
    path = begin(steered)
    problem = steered.problem(422, "POST", f"{path}/step", json={"observed": [[picture] * 6]})
    assert "cannot take observed frames" in str(problem)


@pytest.mark.parametrize("name", ["load", "load_plain"])
def test_the_client_needs_no_picture(request: pytest.FixtureRequest, name: str) -> None:
    """Nothing is sent where nothing was given; actions by name go as they are."""
    web = request.getfixturevalue("steered" if name == "load" else "plain")
    session = ArcFabric(web.url).new_session(PROMPT, seed=SEED)
    if name == "load":
        taken = session.fork().step(actions=[[{"forward": 1, "turn": -1, "yaw": 7.5}] * 6])[0]
        assert np.array_equal(taken.frames, in_process(name, [WALK] * 6)[0].frames)
    assert np.array_equal(session.step()[0].frames, in_process(name)[0].frames)
