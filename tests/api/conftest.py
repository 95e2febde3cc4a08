"""The web app with a toy worker, and pictures and sessions to try it with."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from minio import Minio

from arc_fabric.media.frames import encode_png
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import load_settings
from tests.support.web_server import WebServer


@pytest.fixture(scope="session")
def web_server(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """One server for all tests of this folder; it runs in the last database of the test session's Redis."""
    pair = s3_server.credentials
    bucket = f"web-{uuid.uuid4().hex[:12]}"
    Minio(s3_server.endpoint, pair.access_key, pair.secret_key, secure=False).make_bucket(bucket)
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("web"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/63",
        s3_endpoint=s3_server.endpoint,
        s3_access_key=pair.access_key,
        s3_secret_key=pair.secret_key,
        s3_bucket=bucket,
        flower=False,
    )
    server = WebServer(settings).start()
    yield server
    server.stop()


@pytest.fixture
def web(web_server: WebServer) -> Iterator[WebServer]:
    """The server, with all session slots free before and after the test."""
    web_server.close_all()
    yield web_server
    web_server.close_all()


@pytest.fixture(scope="session")
def picture() -> str:
    """A small PNG in base64."""
    pixels = np.random.default_rng(5).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return base64.b64encode(encode_png(pixels)).decode()


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

    def now(self) -> dict[str, Any]:
        """As it is."""
        return self.web.ok("GET", self.path)


@pytest.fixture
def session(web: WebServer, picture: str) -> Made:
    """A session at its root."""
    return Made(web, picture)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Print the server's own logs with a failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("web_server")
    if report.failed and server is not None:
        report.sections = [("log of the web app", server.log_tail())]
    return report
