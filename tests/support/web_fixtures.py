"""One web server with a toy worker for all tests that want one; tests/conftest.py makes them known everywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from minio import Minio

from arc_fabric.media.frames import encode_png
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import load_settings
from tests.support.buckets import new_bucket
from tests.support.web_server import TOY, WebServer


def serving(s3_server: WeedServer, redis_url: str, folder: Path, *, model: str = TOY) -> Iterator[WebServer]:
    """The body of a fixture: the web app with one worker on `model`, on a new bucket."""
    pair = s3_server.credentials
    keys = pair.settings(s3_server.endpoint)
    with new_bucket(Minio(s3_server.endpoint, pair.access_key, pair.secret_key, secure=False)) as bucket:
        settings = load_settings(data_dir=folder, redis_url=redis_url, s3_bucket=bucket, flower=False, **keys)
        server = WebServer(settings, model=model).start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def web_server(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """The web app with one toy worker for the whole test session, in database 0 of its Redis (tests take 1 to 62)."""
    url = redis_server.database(0)
    yield from serving(s3_server, url, tmp_path_factory.mktemp("web"))


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
