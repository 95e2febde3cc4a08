"""Worlds for the page to show, made over the plain HTTP API."""

from __future__ import annotations

import time
from typing import Any

import httpx

PROMPT = "pick up the red cup"


class World:
    """A few verbs on a running server; `close` frees every session slot."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=90)

    def ok(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON body of a request that must succeed."""
        answer = self.http.request(method, path, **kwargs)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def wait(self, job: dict[str, Any], state: str = "succeeded") -> dict[str, Any]:
        """The job when it has ended, in the expected state."""
        deadline = time.monotonic() + 240
        while job["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, job
            job = self.ok("GET", f"/api/jobs/{job['id']}", params={"wait": 30})
        assert job["state"] == state, job
        return job

    def plant(self, steps: int = 0, **body: Any) -> dict[str, Any]:
        """A new session after `steps` steps."""
        sample = self.ok("GET", "/api/samples")["items"][0]["name"]
        body = {"prompt": PROMPT, "seed": 7, "initial_frame": f"sample:{sample}"} | body
        answer = self.ok("POST", "/api/sessions", json=body)
        self.wait(answer["job"])
        if steps:
            self.step(answer["session_id"], steps=steps)
        return self.session(answer["session_id"])

    def step(self, session_id: str, **body: Any) -> dict[str, Any]:
        """Step and wait; the job."""
        return self.wait(self.ok("POST", f"/api/sessions/{session_id}/step", json=body)["job"])

    def fork(
        self, session: dict[str, Any], *, checkpoint: str | None = None, steps: int = 0, **body: Any
    ) -> dict[str, Any]:
        """A fork of the session's head (or of a checkpoint) after `steps` steps."""
        body = {"checkpoint_id": checkpoint or session["head"], "steps": steps} | body
        answer = self.ok("POST", f"/api/sessions/{session['id']}/fork", json=body)
        self.wait(answer["job"])
        return self.session(answer["session_id"])

    def session(self, session_id: str) -> dict[str, Any]:
        """The session as it is now."""
        return self.ok("GET", f"/api/sessions/{session_id}")

    def tree(self, session_id: str) -> list[dict[str, Any]]:
        """All nodes of the session's tree."""
        return self.ok("GET", f"/api/sessions/{session_id}/tree")["nodes"]

    def branches(self, trunk_steps: int = 4, steps: int = 4) -> list[dict[str, Any]]:
        """Three forks of one trunk: the same again, another prompt, another seed."""
        trunk = self.plant(trunk_steps, label="trunk")
        wishes = (
            {"label": "same"},
            {"label": "push", "new_prompt": "push the cup to the left"},
            {"label": "seed 42", "new_seed": 42},
        )
        return [self.fork(trunk, steps=steps, **wish) for wish in wishes]

    def link(self, sessions: list[dict[str, Any]], **query: Any) -> str:
        """A deep link that shows the heads of these sessions side by side."""
        words = {
            "session": sessions[0]["id"],
            "panes": ",".join(session["head"] for session in sessions),
            "mode": "side",
        } | query
        return f"{self.url}/?" + "&".join(f"{name}={value}" for name, value in words.items())

    def close_sessions(self) -> None:
        """Free every session slot."""
        for session in self.ok("GET", "/api/sessions", params={"state": "open"})["items"]:
            self.http.delete(f"/api/sessions/{session['id']}")

    def close(self) -> None:
        """End the connections."""
        self.http.close()
