"""Sessions to try the API with; the server itself comes from tests.support.web_fixtures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.web_server import WebServer


class Made:
    """A session made for a test."""

    def __init__(self, web: WebServer, picture: str, **body: Any) -> None:
        self.web = web
        body = {"prompt": "pick up the red cup", "initial_frame": picture, "seed": 7} | body
        self.answer = web.ok("POST", "/api/sessions?wait=30", json=body)
        self.id = self.answer["session_id"]
        self.path = f"/api/sessions/{self.id}"

    def step(self, steps: int = 1, **body: Any) -> dict[str, Any]:
        """Step and wait; the job."""
        job = self.web.ok("POST", f"{self.path}/step?wait=60", json={"steps": steps} | body)["job"]
        assert job["state"] == "succeeded", job
        return job

    def fork(self, **body: Any) -> dict[str, Any]:
        """Fork the head and wait; the new session."""
        body = {"checkpoint_id": self.now()["head"]} | body
        answer = self.web.ok("POST", f"{self.path}/fork?wait=60", json=body)
        assert answer["job"]["state"] == "succeeded", answer
        return self.web.ok("GET", f"/api/sessions/{answer['session_id']}")

    def close(self) -> None:
        """Free its slot."""
        self.web.ledger.sessions.close(self.id)

    def now(self) -> dict[str, Any]:
        """As it is."""
        return self.web.ok("GET", self.path)


@pytest.fixture
def session(web: WebServer, picture: str) -> Made:
    """A session at its root."""
    return Made(web, picture)
