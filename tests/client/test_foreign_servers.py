"""Another program answers where a server of ours was looked for: it is said in words, never a traceback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from arc_fabric.client import ArcFabric
from arc_fabric.errors import ArcFabricError, ServiceError

JSON, PROBLEM = "application/json", "application/problem+json"
ANSWERS = {
    "a page": (200, "text/html", b"<html>Sign in, please</html>"),
    "another list": (200, JSON, b"[]"),
    "a text": (200, JSON, b'"x"'),
    "nothing": (200, JSON, b""),
    "no items": (200, JSON, b'{"items": null}'),
    "items of another kind": (200, JSON, b'{"items": [1], "next": null}'),
    "brackets": (200, JSON, b"[" * 100_000),
    "no UTF-8": (200, JSON, b'{"items": "\xff"}'),
    "a way to a login": (302, "text/html", b""),
}
REFUSALS = {
    "a list": (500, JSON, b"[]"),
    "a problem of another form": (400, PROBLEM, b'{"detail": {"a": 1}, "code": [1], "what_to_do": 5}'),
    "a page": (404, "text/html", b"<h1>Not here</h1>"),
    "brackets": (500, JSON, b"[" * 100_000),
}


class Answering(ThreadingHTTPServer):
    """Whatever is asked, `answer` is the answer: status, type and body."""

    answer: tuple[int, str, bytes] = (200, JSON, b"{}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The answer."""
        assert isinstance(self.server, Answering)
        status, kind, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/login")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Answering]:
    """A program of somebody else."""
    with Answering(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join(10)


@pytest.fixture
def fabric(server: Answering) -> Iterator[ArcFabric]:
    """Its client."""
    with ArcFabric(f"http://127.0.0.1:{server.server_port}") as made:
        yield made


@pytest.mark.parametrize("what", ANSWERS)
def test_answers(server: Answering, fabric: ArcFabric, what: str) -> None:
    """Of a list, and of one thing."""
    server.answer = ANSWERS[what]
    with pytest.raises(ServiceError, match="no Arc Fabric"):
        fabric.sessions()
    if "items" not in what:
        with pytest.raises(ServiceError, match="no Arc Fabric"):
            fabric.model()
    with pytest.raises(ArcFabricError, match="stream"):
        fabric.stream().open()


@pytest.mark.parametrize("what", REFUSALS)
def test_refusals(server: Answering, fabric: ArcFabric, what: str) -> None:
    """Their status is told."""
    server.answer = REFUSALS[what]
    for ask in (fabric.sessions, fabric.model):
        with pytest.raises(ArcFabricError, match=str(server.answer[0])):
            ask()
    with pytest.raises(ArcFabricError, match="refused with"):
        fabric.stream().open()


def test_no_password_of_an_address_is_told() -> None:
    """Where nobody answers, and where it is none."""
    for url in ("http://me:secret-of-mine@127.0.0.1:1", "ftp://me:secret-of-mine@host"):
        with pytest.raises(ArcFabricError) as refused:
            ArcFabric(url).model()
        assert "secret-of-mine" not in str(refused.value.to_dict())
