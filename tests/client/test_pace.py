"""What the client asks for again and again: jobs that take long, and trees of many pages."""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from arc_fabric.client import ArcFabric, RemoteSession, Slot
from arc_fabric.errors import DeadlineExceeded
from arc_fabric.ids import new_id
from arc_fabric.ledger import NodeRecord
from tests.support.waiting import eventually
from tests.support.web_server import WebServer


@pytest.fixture
def full_house() -> Iterator[tuple[str, list[float]]]:
    """A server whose seats for waiting are taken: it answers at once that the job runs. With the times of requests."""
    asked: list[float] = []
    job = json.dumps({"id": new_id("job"), "state": "running"}).encode()
    file = io.BytesIO()
    np.savez(file, slots=np.frombuffer(b'[{"state": "running"}]', np.uint8))
    many = file.getvalue()

    class Full(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(job)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(many)

        def _answer(self, body: bytes) -> None:
            asked.append(time.monotonic())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Full)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_gets_no_seat_asks_again_after_a_pause(full_house: tuple[str, list[float]]) -> None:
    """Between two questions of one waiter passes half a second or more, however fast the answers come."""
    url, asked = full_house
    with ArcFabric(url) as fabric, pytest.raises(DeadlineExceeded):
        fabric.wait("job_x", timeout=2)
    assert _paced(asked)


def test_many_steps_without_a_seat_are_waited_for_as_long_as_that(full_house: tuple[str, list[float]]) -> None:
    url, asked = full_house
    began = time.monotonic()
    with ArcFabric(url) as fabric, pytest.raises(DeadlineExceeded, match="within 2 s"):
        fabric.step_many([Slot(new_id("ses"))], timeout=2)
    assert time.monotonic() - began >= 2
    assert _paced(asked)


def _paced(asked: list[float]) -> bool:
    gaps = [after - before for before, after in itertools.pairwise(asked[:-1])]
    return len(asked) <= 6 and min(gaps) >= 0.5


def test_a_tree_of_many_pages_is_whole(
    web: WebServer, fabric: ArcFabric, trunk: RemoteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More nodes and sessions than a page holds: pages of three, joined, have each once, and so has the client's
    tree()."""
    trunk.step(4)
    forks = [trunk.fork(at=i) for i in (1, 2)]
    path, pages, cursor = f"{trunk.path}/tree", [], None
    while not pages or cursor:
        pages.append(web.ok("GET", path, params={"limit": 3} | ({"cursor": cursor} if cursor else {})))
        cursor = pages[-1]["next"]
    assert all(len(page[what]) <= 3 for page in pages for what in ("nodes", "sessions"))
    assert [node["frame_index"] for page in pages for node in page["nodes"]] == [0, 1, 2, 3, 4]
    assert {s["id"] for page in pages for s in page["sessions"]} == {trunk.id, *(fork.id for fork in forks)}
    ask, asked = fabric.transport.json, []

    def of_three(method: str, path: str, *, params: dict[str, Any]) -> Any:
        asked.append(params)
        return ask(method, path, params=params | {"limit": 3})

    monkeypatch.setattr(fabric.transport, "json", of_three)
    root = web.ledger.nodes.get(str(trunk.info.root))
    leaves = [
        NodeRecord(id=new_id("ckp"), parent=root.id, session_id=trunk.id, tree_id=root.id, frame_index=1, n_frames=8)
        for _ in range(20)
    ]
    web.ledger.imports.add([leaf.to_dict() for leaf in leaves])
    assert len({node.id for node in trunk.tree()}) == 25
    assert len(asked) >= 9


def test_a_large_answer_comes_compressed(web: WebServer, trunk: RemoteSession) -> None:
    """As gzip where that is accepted, with a weak ETag that is known again; as it is where it is not."""
    trunk.step(6)
    eventually(lambda: all(node.durability == "durable" for node in trunk.tree()), what="a tree that rests")
    plain = web.http.get(f"{trunk.path}/tree", headers={"Accept-Encoding": "identity"})
    packed = web.http.get(f"{trunk.path}/tree", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json() and int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    again = web.http.get(
        f"{trunk.path}/tree", headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
    )
    assert packed.headers["etag"].startswith("W/") and again.status_code == 304
