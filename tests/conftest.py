"""Fixtures shared by all rooms: real servers, started once, stopped by the process id we recorded.

    redis_server   the embedded Redis of the test session      redis_url   an empty database of it, per test
    own_redis      another one, for tests that make it refuse
    s3_server      the embedded store of the test session      s3_bucket   an empty bucket of it, per test
    settings       Settings that point at both, per test       s3_client   minio-py on the store
    web_server     the web app with one worker on a toy model; `web`: the same with all session slots free
    stack          the whole system (`arc-fabric up`), for the test session; `.url` is the web app

A server that a failing test used has its log printed with the failure.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from minio import Minio

from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from tests.services.stack import RunningStack
from tests.support.buckets import new_bucket
from tests.support.web_fixtures import picture, web, web_server

__all__ = ["picture", "web", "web_server"]

GROUPS = {"stack", "page_stack"}
"""Fixtures that start the whole system."""
_databases = itertools.cycle(range(1, 63))
"""Database 0 is the web server's, 63 that of the workers that a module shares."""


@pytest.fixture(scope="module", autouse=True)
def _lean() -> Iterator[None]:
    """A process that has grown gives back what the module's tests left behind, to itself and to the system."""
    yield
    if psutil.Process().memory_info().rss > 1 << 30:
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A real Redis-protocol server (`.url`, `.port`, `.child`)."""
    server = ValkeyServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeedServer]:
    """A real S3 server (`.endpoint`, `.credentials`, `.bucket`, `.child`)."""
    server = WeedServer(tmp_path_factory.mktemp("s3"), bucket="arc-fabric")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One for tests that make it misbehave: those that use `redis_server` would suffer."""
    server = ValkeyServer(tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: ValkeyServer) -> str:
    """The URL of an empty database of the test session's Redis."""
    url = redis_server.database(next(_databases))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def s3_client(s3_server: WeedServer) -> Minio:
    """A minio-py client of the test session's object store."""
    pair = s3_server.credentials
    return Minio(s3_server.endpoint, pair.access_key, pair.secret_key, secure=False)


@pytest.fixture
def s3_bucket(s3_client: Minio) -> Iterator[str]:
    """The name of an empty bucket."""
    with new_bucket(s3_client) as name:
        yield name


@pytest.fixture
def settings(redis_url: str, s3_server: WeedServer, s3_bucket: str, tmp_path: Path) -> Settings:
    """Settings of one test: its own Redis database, bucket and data folder; `.to_env()` for children."""
    return load_settings(
        data_dir=tmp_path / "data",
        redis_url=redis_url,
        s3_bucket=s3_bucket,
        devices="cpu,cpu",
        flower=False,
        **s3_server.credentials.settings(s3_server.endpoint),
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole system, started once: `.url` is the web app, `.facts` what `up --json` printed."""
    running = RunningStack(tmp_path_factory.mktemp("stack"), "--devices", "cpu,cpu")
    try:
        yield running.start()
    finally:
        if running.process is not None:
            running.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under pytest-xdist a file's tests stay together, and so do all that share one of the large fixtures."""
    for item in items:
        shared = GROUPS & set(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group(min(shared) if shared else item.path.as_posix()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Print the logs of the servers that a failing test used."""
    report = yield
    if report.failed:
        for name in ("stack", "web_server", "redis_server", "s3_server"):
            server = getattr(item, "funcargs", {}).get(name)
            if server is not None:
                text = server.child.log_tail(40) if hasattr(server, "child") else server.logs()
                report.sections.append((f"log of {name}", text))
    return report
