"""One web server with a toy worker for all tests that want one; tests/conftest.py makes them known everywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import redis
from minio import Minio

from arc_fabric.media.frames import encode_png
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import load_settings
from tests.support.buckets import new_bucket
from tests.support.kept import kept
from tests.support.web_server import TOY, WebServer

PATIENCE = 8
"""Modules that do without a web server before it ends: in random order another that wants it comes before long."""


@contextmanager
def serving(s3_server: WeedServer, redis_url: str, folder: Path, *, model: str = TOY) -> Iterator[WebServer]:
    """The web app with one worker on `model`, on a new bucket and an emptied Redis."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    pair = s3_server.credentials
    keys = pair.settings(s3_server.endpoint)
    with new_bucket(Minio(s3_server.endpoint, pair.access_key, pair.secret_key, secure=False)) as bucket:
        settings = load_settings(data_dir=folder, redis_url=redis_url, s3_bucket=bucket, flower=False, **keys)
        server = WebServer(settings, model=model).start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def web_server(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> WebServer:
    """The web app with one toy worker, in database 0 of the session's Redis (tests take 1 to 62). Kept for a while."""
    url = redis_server.database(0)
    made: WebServer = kept.get("web_server", lambda: serving(s3_server, url, tmp_path_factory.mktemp("web")), PATIENCE)
    return made


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
