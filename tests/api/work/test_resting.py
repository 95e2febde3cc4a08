"""A tree that rests answers as it did before, with real Redis, object storage and a worker."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.ledger import Ledger
from arc_fabric.resting import attach
from arc_fabric.resting.rest import rest_tree
from arc_fabric.store.backends import Backend, backend_from_settings
from arc_fabric.store.read.reader import SnapshotReader
from tests.api.conftest import Made
from tests.support.waiting import eventually
from tests.support.web_server import WebServer


@pytest.fixture
def bed(web: WebServer) -> tuple[Ledger, Backend]:
    """The web server's ledger and storage."""
    backend = backend_from_settings(web.settings)
    return attach(web.ledger, backend), backend


@pytest.fixture
def tree(web: WebServer, session: Made) -> dict[str, Any]:
    """A closed tree of four steps and a fork of one, all stored."""
    session.step(4)
    fork = session.fork(label="left", steps=1)
    for session_id in (session.id, fork["id"]):
        web.ok("DELETE", f"/api/sessions/{session_id}")
    eventually(lambda: all(n["durability"] == "durable" for n in web.ok("GET", f"{session.path}/tree")["nodes"]))
    return web.ok("GET", f"{session.path}/tree")


def _rest(bed: tuple[Ledger, Backend], tree: dict[str, Any]) -> None:
    assert rest_tree(*bed, tree["tree_id"])


ROUTES = (
    "/api/sessions", "{session}", "{session}/tree", "{session}/tree?format=d3", "{session}/events", "{checkpoint}",
    "{checkpoint}/manifest", "{checkpoint}/frames", "{checkpoint}/latents", "{checkpoint}/thumbnail",
    "{session}/frames/3", "{session}/latents/2", "{session}/video", "{session}/sprite", "/api/compare?nodes={ends}",
    "/api/jobs", "/api/jobs?session={id}",
)  # fmt: skip


def test_every_answer_is_the_same(web: WebServer, tree: dict[str, Any], bed: tuple[Ledger, Backend]) -> None:
    """Byte for byte, whichever is asked first of a tree that rests."""
    session = next(one for one in tree["sessions"] if one["parent_session"] is None)
    names = {
        "session": f"/api/sessions/{session['id']}", "checkpoint": f"/api/checkpoints/{session['head']}",
        "ends": ",".join(one["head"] for one in tree["sessions"]), "id": session["id"],
    }  # fmt: skip
    paths = [route.format(**names) for route in ROUTES]
    before = {path: web.http.get(path).content for path in paths}
    for path in paths:
        if bed[0].resting.row(tree["tree_id"]) is None:
            _rest(bed, tree)
        assert web.http.get(path).content == before[path], path


def test_a_fork_of_it_steps(web: WebServer, tree: dict[str, Any], bed: tuple[Ledger, Backend]) -> None:
    """As of any other tree."""
    _rest(bed, tree)
    listed = web.ok("GET", f"/api/trees/{tree['tree_id']}")
    assert listed["resting"] and listed["nodes"] == len(tree["nodes"])
    assert any(one["id"] == tree["tree_id"] for one in web.ok("GET", "/api/trees?q=left")["items"])
    source = tree["nodes"][2]["id"]
    answer = web.ok("POST", f"/api/checkpoints/{source}/fork?wait=60", json={"steps": 1})
    assert answer["job"]["state"] == "succeeded"
    assert not web.ok("GET", f"/api/trees/{tree['tree_id']}")["resting"]
    after = web.ok("GET", f"/api/sessions/{answer['session_id']}/tree")
    assert len(after["nodes"]) == len(tree["nodes"]) + 1
    web.ok("DELETE", f"/api/sessions/{answer['session_id']}")


def test_a_deleted_tree_is_gone(web: WebServer, tree: dict[str, Any], bed: tuple[Ledger, Backend]) -> None:
    """Its ids are unknown at once, and its payloads have tombstones soon; one in use is refused."""
    session = tree["sessions"][0]["id"]
    web.ok("POST", f"/api/sessions/{session}/reopen")
    assert web.problem(409, "DELETE", f"/api/trees/{tree['tree_id']}")["code"] == "Conflict"
    gone = web.ok("DELETE", f"/api/trees/{tree['tree_id']}?close=true")
    assert gone["erased"] and gone["tree"]["nodes"] == len(tree["nodes"])
    web.problem(404, "GET", f"/api/sessions/{session}")
    web.problem(404, "GET", f"/api/checkpoints/{tree['tree_id']}")
    web.problem(404, "DELETE", f"/api/trees/{tree['tree_id']}")
    assert all(one["tree_id"] != tree["tree_id"] for one in web.ok("GET", "/api/sessions")["items"])
    reader = SnapshotReader(bed[1])

    def buried() -> bool:
        for node in tree["nodes"]:
            with suppress(CheckpointUnavailable):
                reader.manifest(node["id"])
                return False
        return True

    eventually(buried, 60)
