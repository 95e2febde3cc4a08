"""Steps of many sessions in one request: the same bits, checks and jobs as one by one, and one binary answer."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from tests.support.web_server import WebServer

URL = "/api/sessions/step-many"
CHUNK = [[0.1, -0.2, 0.3, 0.5]] * 8


def _open(web: WebServer, picture: str, count: int) -> list[dict[str, Any]]:
    body = {"prompt": "pick up the red cup", "initial_frame": picture, "seed": 7}
    first = web.ok("POST", "/api/sessions?wait=60", json=body)
    root = first["job"]["result"]["checkpoint_id"]
    forks = [web.ok("POST", f"/api/checkpoints/{root}/fork", json={"spread": True}) for _ in range(count - 1)]
    return [first["session"], *(fork["session"] for fork in forks)]


def _many(
    web: WebServer, slots: list[dict[str, Any]], **more: Any
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    key = more.pop("key", None)
    headers = {"Idempotency-Key": key} if key else {}
    answer = web.http.post(URL, json={"slots": slots, **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-npz"
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop("slots").tobytes()), arrays


def test_each_slot_steps_as_it_does_alone(web: WebServer, picture: str) -> None:
    one, two, three, alone = (session["id"] for session in _open(web, picture, 4))
    slots = [{"session_id": one, "action": CHUNK}, {"session_id": two, "seed": 3}, {"session_id": three}]
    facts, arrays = _many(web, slots)
    assert [fact["state"] for fact in facts] == ["succeeded"] * 3
    assert [fact["steered"] for fact in facts] == [True, None, None]
    assert sorted(arrays) == ["frames.0", "frames.1", "frames.2"]
    assert arrays["frames.0"].shape == (8, 32, 32, 3)
    job = web.ok("POST", f"/api/sessions/{alone}/step?wait=60", json={"actions": [CHUNK]})["job"]
    latents = web.http.get(f"/api/checkpoints/{job['result']['head']}/latents").content
    assert web.http.get(f"/api/checkpoints/{facts[0]['checkpoint_id']}/latents").content == latents
    again, only = _many(web, [{"session_id": one, "reset_to": facts[1]["checkpoint_id"]}], decode=False)
    assert again[0]["frame_index"] == 2
    assert sorted(only) == ["latents.0"]
    assert only["latents.0"].shape == (1, 2, 4, 4, 4)


def test_a_slot_is_reset_to_any_checkpoint_of_its_tree(web: WebServer, picture: str) -> None:
    """From there the same seed and action give the same bits; a slot may be reset without a step."""
    one, two = (session["id"] for session in _open(web, picture, 2))
    first, arrays = _many(web, [{"session_id": one, "action": CHUNK, "seed": 5}])
    root = web.ok("GET", f"/api/sessions/{two}")["root"]
    _many(web, [{"session_id": two}])
    back, shown = _many(web, [{"session_id": two, "reset_to": root, "step": False}])
    assert (back[0]["checkpoint_id"], back[0]["frame_index"]) == (root, 0)
    assert shown["frames.0"].shape == (1, 32, 32, 3)
    slots = [{"session_id": one, "reset_to": root, "action": CHUNK, "seed": 5},
             {"session_id": two, "reset_to": first[0]["checkpoint_id"]}]  # fmt: skip
    again, more = _many(web, slots)
    assert np.array_equal(more["frames.0"], arrays["frames.0"])
    assert [fact["frame_index"] for fact in again] == [1, 2]
    assert web.ok("GET", f"/api/sessions/{two}")["n_frames"] == 17


def test_asked_again_it_does_nothing_twice(web: WebServer, picture: str) -> None:
    (session,) = _open(web, picture, 1)
    slots = [{"session_id": session["id"], "reset_to": session["root"] or None, "action": CHUNK}]
    slots = [{name: value for name, value in slot.items() if value} for slot in slots]
    first, again = _many(web, slots, key="a-key-of-mine")[0], _many(web, slots, key="a-key-of-mine")[0]
    assert first == again
    assert web.ok("GET", f"/api/sessions/{session['id']}")["frame_index"] == 1


@pytest.mark.parametrize(
    ("slots", "status", "said"),
    [
        ([], 422, "slots"),
        ([{"session_id": "ONE"}, {"session_id": "ONE"}], 422, "twice"),
        ([{"session_id": "ONE", "action": CHUNK[:3]}], 422, "action"),
        ([{"session_id": "ONE", "step": False}], 422, "reset"),
        ([{"session_id": "ONE", "step": False, "reset_to": "ROOT", "seed": 1}], 422, "seed"),
        ([{"session_id": "ONE", "extra": 1}], 422, "extra"),
        ([{"session_id": "ONE"}, {"session_id": "ses_01jd6xy0m8v9k2q4r6t8w0y2z4"}], 404, "No session"),
        ([{"session_id": "ONE"}, {"session_id": "CLOSED"}], 409, "closed"),
        ([{"session_id": "ONE", "reset_to": "OTHER"}], 409, "another tree"),
    ],
)
def test_a_refused_request_leaves_nothing(
    web: WebServer, picture: str, slots: list[dict[str, Any]], status: int, said: str
) -> None:
    (one,), (closed,) = _open(web, picture, 1), _open(web, picture, 1)
    web.ok("DELETE", f"/api/sessions/{closed['id']}")
    real = web.ok("GET", f"/api/sessions/{one['id']}")
    other = web.ok("GET", f"/api/sessions/{closed['id']}")["root"]
    names = {"ONE": one["id"], "CLOSED": closed["id"], "ROOT": real["root"], "OTHER": other}
    given = [
        {key: names.get(value, value) if isinstance(value, str) else value for key, value in slot.items()}
        for slot in slots
    ]
    problem = web.problem(status, "POST", URL, json={"slots": given})
    assert said in json.dumps(problem)
    after = web.ok("GET", f"/api/sessions/{one['id']}")
    assert (after["frame_index"], after["queued"]) == (0, 0)
