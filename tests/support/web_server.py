"""The web app under a real gunicorn with one real worker on the toy model, for the tests of webapp and client.

Redis, the object store and the processes are real; only the model is small, so that a step takes milliseconds.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from arc_fabric.ledger import Ledger
from arc_fabric.services.parts import gunicorn_command
from arc_fabric.services.ports import free_ports
from arc_fabric.services.process import Child
from arc_fabric.settings import Settings
from tests.support import nursery
from tests.support.children import end_all
from tests.support.waiting import eventually

TOY = "python:tests.support.toy_model:load"


class WebServer:
    """gunicorn on a free port, a worker and a media worker; `url` and `http` reach it."""

    def __init__(
        self, settings: Settings, *, worker: bool = True, env: dict[str, str] | None = None, model: str = TOY
    ) -> None:
        port = free_ports(1)[0]
        self.settings = settings.replaced(model=model, port=port, devices="cpu", worker_threads=1, video_job_frames=64)
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)
        self.ledger = Ledger(settings.redis_url)
        logs = settings.data_dir / "logs"
        shared = {**self.settings.to_env(), "PYTHONUNBUFFERED": "1", **(env or {})}
        stop = ((signal.SIGTERM, 15.0),)

        def child(name: str, module: list[str]) -> Child:
            log, torch = logs / f"{name}.log", name.startswith("gpu")
            return nursery.shared().child(name, module, log, shared, torch=torch, stop_signals=stop)

        _, _, *gunicorn = gunicorn_command(self.settings, port)
        self.web = child("web", gunicorn)
        self.worker = child("gpu.0", ["arc_fabric", "worker", "--name", "gpu.0", "--device", "cpu"])
        self.media = child("media", ["arc_fabric", "worker", "--name", "media"])
        self._parts = [self.web, self.worker, self.media] if worker else [self.web]

    def start(self) -> WebServer:
        """Start both and wait until they are ready."""
        for part in self._parts:
            part.start()
        try:
            self.web.wait_ready(self._answers, 60)
            if self.worker in self._parts:
                self.worker.wait_ready(self._worker_is_up, 120)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop what runs, by process id, all at once."""
        self.http.close()
        end_all(self._parts, 15)

    def logs(self, lines: int = 60) -> str:
        """The ends of both logs."""
        return "\n".join(f"--- {part.name}\n{part.log_tail(lines)}" for part in self._parts)

    def ok(self, method: str, path: str, **request: Any) -> Any:
        """The JSON body of a request that must succeed."""
        answer = self.http.request(method, path, **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def problem(self, status: int, method: str, path: str, **request: Any) -> dict[str, Any]:
        """The problem body of a request that must be refused with `status`."""
        answer = self.http.request(method, path, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == status
        assert body["detail"]
        assert body["what_to_do"]
        return body

    def close_all(self) -> None:
        """Free all session slots."""
        for session in self.ledger.sessions.page("open", limit=10_000).items:
            self.ledger.sessions.close(session.id)

    def busy(self) -> tuple[int, int]:
        """What the web process holds: threads beside gunicorn's pool (whose idle threads stay), and requests under way
        (a WebSocket is one) beside the one that asks."""
        facts = dict(line.rsplit(" ", 1) for line in self.http.get("/metrics").text.splitlines() if line[0] != "#")
        threads = int(float(facts['arc_fabric_web_threads{kind="other"}']))
        return threads, int(float(facts["arc_fabric_http_requests_under_way"])) - 1

    def wait_idle(self, threads: int) -> None:
        """Until it holds no request and at most so many threads."""

        def idle() -> bool:
            others, requests = self.busy()
            return others <= threads and not requests

        eventually(idle, what=f"no request and {threads} threads; there are {self.busy()}")

    def _answers(self) -> bool:
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def _worker_is_up(self) -> bool:
        worker = self.ledger.workers.find("gpu.0")
        return worker is not None and worker.state in ("idle", "busy") and bool(self.ledger.model_card.read())


TOP = "/lab/arc"


@contextmanager
def serving_below(settings: Settings, how: str) -> Iterator[str]:
    """The URL at which a proxy that cuts or keeps the path shows a web app with one toy worker."""
    server, port = WebServer(settings.replaced(root_path=TOP)), free_ports(1)[0]
    server.ledger.redis.flushdb()
    command = [sys.executable, "-m", "tests.support.reverse_proxy", str(port), server.url, TOP, how]
    proxy = Child("proxy", command, settings.data_dir / "proxy.log", cwd=nursery.ROOT)
    server.start()
    try:
        proxy.start_ready(lambda: _shows(port), 60)
        yield f"http://127.0.0.1:{port}{TOP}"
    finally:
        proxy.stop()
        server.stop()


def _shows(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{TOP}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
