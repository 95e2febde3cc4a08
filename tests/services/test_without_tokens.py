"""What the doors of a system without tokens, which is for who sits at this machine, do against pages in a browser."""

from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.services.stack import RunningStack
from tests.services.test_doors import ask


@pytest.mark.parametrize("service", ["web", "flower", "openpi"])
def test_without_tokens_no_page_comes_in_by_a_name_of_its_own(stack: RunningStack, service: str) -> None:
    """A Host that does not name this machine is refused: a page's name that leads to it is the page's."""
    url = {"web": "url", "flower": "flower_url", "openpi": "openpi_url"}[service]
    address = stack.facts[url].replace("ws:", "http:")
    port = httpx.URL(address).port or 0
    for path in ("/", "/metrics", "/api/sessions", "/api/workers", "/tasks"):
        answer = ask(port, "GET", path, {"Host": "elsewhere.example"})
        assert answer is not None
        assert answer.status_code == 403, (path, answer.text[:200])
    assert httpx.get(address + {"web": "/", "flower": "/metrics", "openpi": "/healthz"}[service]).status_code == 200
    if service == "openpi":
        with pytest.raises(InvalidStatus):
            connect(stack.facts[url], origin="http://127.0.0.1").__enter__()  # type: ignore[arg-type]
        with connect(stack.facts[url]) as client:
            assert client.recv(timeout=30)
