"""A plain HTTP client on the running stack: no client library between these tests and the promised routes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image


class Api:
    """httpx on the stack, with the few verbs the tests repeat."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=90)
        self.opened: list[str] = []

    def ok(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON body of a request that must succeed."""
        answer = self.http.request(method, path, **kwargs)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def problem(self, method: str, path: str, status: int, **kwargs: Any) -> dict[str, Any]:
        """The problem body of a request that must be refused with `status`."""
        answer = self.http.request(method, path, **kwargs)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"].startswith("application/problem+json")
        body = answer.json()
        assert body["status"] == status
        assert body["detail"]
        return body

    def job(self, answer: dict[str, Any], state: str = "succeeded") -> dict[str, Any]:
        """Long-poll the job of an accepted request until it has ended, and expect `state`."""
        job = answer["job"]
        for _ in range(12):
            if job["state"] not in ("queued", "running"):
                break
            job = self.ok("GET", f"/api/jobs/{job['id']}", params={"wait": 10})
        assert job["state"] == state, job
        return job

    def session(self, **body: Any) -> dict[str, Any]:
        """A new session, ready to step; closed when the test ends."""
        body = {"prompt": "pick up the red cup", "initial_frame": "sample:" + self.sample(), "seed": 7} | body
        answer = self.ok("POST", "/api/sessions", json=body)
        self.opened.append(answer["session"]["id"])
        self.job(answer)
        return self.ok("GET", f"/api/sessions/{answer['session']['id']}")

    def fork(self, session_id: str, **body: Any) -> dict[str, Any]:
        """A fork, ready to step."""
        answer = self.ok("POST", f"/api/sessions/{session_id}/fork", json=body)
        self.opened.append(answer["session_id"])
        self.job(answer)
        return self.ok("GET", f"/api/sessions/{answer['session_id']}")

    def step(self, session_id: str, **body: Any) -> dict[str, Any]:
        """Step and wait; the finished job."""
        return self.job(self.ok("POST", f"/api/sessions/{session_id}/step", json=body))

    def latents(self, session_id: str, n: int) -> np.ndarray:
        """The latents that step n added."""
        answer = self.http.get(f"/api/sessions/{session_id}/latents/{n}")
        assert answer.status_code == 200, answer.text
        return np.load(io.BytesIO(answer.content), allow_pickle=False)

    def frame(self, session_id: str, n: int) -> np.ndarray:
        """Video frame n as uint8 [H, W, 3]."""
        answer = self.http.get(f"/api/sessions/{session_id}/frames/{n}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/png"
        return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))

    def sample(self) -> str:
        """The name of a sample frame."""
        items = self.ok("GET", "/api/samples")["items"]
        return items[0]["name"]

    def close(self) -> None:
        """Close what the test opened."""
        for session_id in self.opened:
            self.http.delete(f"/api/sessions/{session_id}")
        self.http.close()


@pytest.fixture
def api(stack: Any) -> Iterator[Api]:
    """The HTTP API of the whole running system."""
    client = Api(stack.url)
    yield client
    client.close()
