"""Bad input gets a clear 4xx with a problem body that says what to do, and nothing half-made stays."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.integration.conftest import Api

NO_SESSION = "ses_" + "0" * 26
NO_CHECKPOINT = "ckp_" + "0" * 26


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", f"/api/sessions/{NO_SESSION}", 404, None),
        ("POST", f"/api/sessions/{NO_SESSION}/step", 404, {"steps": 1}),
        ("GET", f"/api/sessions/{NO_SESSION}/tree", 404, None),
        ("GET", f"/api/sessions/{NO_SESSION}/video", 404, None),
        ("GET", "/api/jobs/job_00000000000000000000000000", 404, None),
        ("GET", "/api/nothing", 404, None),
        ("PUT", "/api/sessions", 405, None),
        ("POST", "/api/sessions", 422, {"prompt": 17, "initial_frame": "sample:x"}),
        ("POST", "/api/sessions", 422, {"initial_frame": "sample:x"}),
        ("POST", "/api/sessions", 422, {"prompt": "p", "initial_frame": "sample:no-such-sample"}),
        ("POST", "/api/sessions", 422, {"prompt": "p", "initial_frame": base64.b64encode(b"no image").decode()}),
        ("POST", "/api/sessions", 422, {"prompt": "p", "initial_frame": "sample:x", "no_such_field": 1}),
    ],
)
def test_unknown_things_and_malformed_bodies(api: Api, method: str, path: str, status: int, body: Any) -> None:
    """Refused at the edge, with a way out, and no session made."""
    before = len(api.ok("GET", "/api/sessions")["items"])
    problem = api.problem(method, path, status, json=body)
    assert problem["what_to_do"] or problem.get("errors")
    assert len(api.ok("GET", "/api/sessions")["items"]) == before


def test_fork_of_an_unknown_checkpoint(api: Api) -> None:
    """404 at once; no session stays behind."""
    session = api.session()
    count = len(api.ok("GET", "/api/sessions")["items"])
    api.problem("POST", f"/api/sessions/{session['id']}/fork", 404, json={"checkpoint_id": NO_CHECKPOINT})
    assert len(api.ok("GET", "/api/sessions")["items"]) == count


def test_rewind_beyond_the_root(api: Api) -> None:
    """409 that says how many steps there are; the session stays where it was."""
    session = api.session()
    api.step(session["id"], steps=2)
    problem = api.problem("POST", f"/api/sessions/{session['id']}/rewind", 409, json={"n_steps": 3})
    assert problem["code"] == "RewindBeyondRoot"
    assert api.ok("GET", f"/api/sessions/{session['id']}")["frame_index"] == 2


def test_a_sixth_session_is_refused_until_one_is_closed(api: Api) -> None:
    """Five open sessions; the sixth gets 409, by create and by fork alike; closing one frees its slot."""
    sessions = [api.session() for _ in range(5)]
    body = {"prompt": "p", "initial_frame": "sample:" + api.sample()}
    assert api.problem("POST", "/api/sessions", 409, json=body)["code"] == "SessionLimitReached"
    api.problem("POST", f"/api/sessions/{sessions[0]['id']}/fork", 409, json={"checkpoint_id": sessions[0]["head"]})
    api.ok("DELETE", f"/api/sessions/{sessions[4]['id']}")
    api.session()


def test_a_body_of_50_mb_is_refused(api: Api) -> None:
    """413 with a problem body; the server reads on with the next request."""
    api.problem("POST", "/api/sessions", 413, content=b"x" * 50_000_000, headers={"content-type": "application/json"})
    assert api.http.get("/healthz").status_code == 200


def test_frames_beyond_the_end(api: Api) -> None:
    """404 that says how many frames there are."""
    session = api.session()
    api.problem("GET", f"/api/sessions/{session['id']}/frames/1", 404)
    assert api.frame(session["id"], 0).shape[2] == 3


def test_if_head_and_idempotency_key(api: Api) -> None:
    """A stale if_head is a 409; a repeated Idempotency-Key gives the first job and acts once."""
    session = api.session()
    key = {"Idempotency-Key": f"test-{session['id']}"}
    first = api.ok("POST", f"/api/sessions/{session['id']}/step", json={"steps": 1}, headers=key)
    again = api.ok("POST", f"/api/sessions/{session['id']}/step", json={"steps": 1}, headers=key)
    assert first["job"]["id"] == again["job"]["id"]
    api.job(first)
    assert api.ok("GET", f"/api/sessions/{session['id']}")["frame_index"] == 1
    stale = {"steps": 1, "if_head": session["head"]}
    assert api.problem("POST", f"/api/sessions/{session['id']}/step", 409, json=stale)["code"] == "HeadMoved"
