"""Clients that keep asking over HTTP, through every outage, and remember what they were promised."""

from __future__ import annotations

import base64
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.world import World

PROMPTS = ("pick up the red cup", "push the cup to the left", "sleep 0.05", "sleep 0.1", "sleep 0.2")


@dataclass
class Promise:
    """One accepted request: what was asked, under which key, and the job that was promised."""

    key: str
    path: str
    body: dict[str, Any]
    job_id: str
    session_id: str


class Allowance:
    """How many jobs all clients together may have asked for by now: spreads the work over the kills."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(0)

    def more(self, jobs: int) -> None:
        """Let clients ask for so many more."""
        self._free.release(jobs)

    def take(self) -> bool:
        """Wait a moment for the right to ask once."""
        return self._free.acquire(timeout=0.5)


class Client(threading.Thread):
    """One client thread. Ends when `stop` is set."""

    def __init__(self, world: World, name: str, seed: str, sessions: list[str], allowance: Allowance) -> None:
        super().__init__(name=name, daemon=True)
        self.promises: list[Promise] = []
        self.refused = 0
        self.asked = 0
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self._world, self._seed, self._sessions, self._allowance = world, seed, sessions, allowance
        self._random = random.Random(seed)
        self._http = httpx.Client(base_url=world.url, timeout=10)

    def run(self) -> None:
        """Ask, now and then cancel, as often as allowed."""
        try:
            while not self.stop.is_set():
                if self._allowance.take():
                    self._one()
        except BaseException as error:
            self.error = error
            raise

    def send(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any] | None:
        """POST until there is an answer; None when the request was refused for good (409, 422)."""
        while True:
            try:
                answer = self._http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                time.sleep(0.2)
                continue
            if answer.status_code in (200, 202):
                return answer.json()
            if answer.status_code in (404, 409, 422):
                self.refused += 1
                return None
            if self.stop.is_set():
                return None
            time.sleep(float(answer.headers.get("Retry-After", 0.2)) if answer.status_code == 429 else 0.2)

    def open(self, prompt: str, key: str) -> str:
        """A new session."""
        picture = base64.b64encode(self._world.picture()).decode()
        body = {"prompt": prompt, "initial_frame": picture, "seed": self._random.randrange(1000)}
        answer = self.send("/api/sessions", body, key)
        assert answer is not None, "a session was refused"
        self._remember(answer, key, "/api/sessions", body)
        return str(answer["session"]["id"])

    def _one(self) -> None:
        choice, session = self._random.random(), self._random.choice(self._sessions)
        self.asked += 1
        key = f"{self._seed}-{self.asked}"
        if choice < 0.66:
            self._ask(session, "step", self._step_body(), key)
        elif choice < 0.78:
            self._ask(session, "rewind", {"n_steps": self._random.randint(1, 3)}, key)
        elif choice < 0.84:
            self._ask(session, "checkpoint", {"label": key}, key)
        elif choice < 0.92:
            self._fork(session, key)
        elif self.promises:
            self._cancel(self._random.choice(self.promises[-5:]).job_id)

    def _step_body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"steps": self._random.choice((1, 1, 2, 4))}
        if self._random.random() < 0.2:
            body["prompt"] = self._random.choice(PROMPTS)
        if self._random.random() < 0.2:
            body["seed"] = self._random.randrange(1000)
        if self._random.random() < 0.2:
            chunk = [[round(self._random.uniform(-1, 1), 3) for _ in range(4)] for _ in range(8)]
            body["actions"] = [chunk] * body["steps"]
        return body

    def _fork(self, session: str, key: str) -> None:
        try:
            head = self._http.get(f"/api/sessions/{session}").json().get("head")
        except (httpx.HTTPError, ValueError):
            return
        if head:
            body = {"checkpoint_id": head, "steps": self._random.randint(1, 2), "bulk": True, "new_seed": 5}
            self._ask(session, "fork", body, key)

    def _ask(self, session: str, verb: str, body: dict[str, Any], key: str) -> None:
        path = f"/api/sessions/{session}/{verb}"
        answer = self.send(path, body, key)
        if answer is not None:
            self._remember(answer, key, path, body)

    def _remember(self, answer: dict[str, Any], key: str, path: str, body: dict[str, Any]) -> None:
        job = answer["job"]
        self.promises.append(Promise(key, path, body, job["id"], job["session_id"]))

    def _cancel(self, job_id: str) -> None:
        try:
            self._http.delete(f"/api/jobs/{job_id}")
        except httpx.HTTPError:
            return
