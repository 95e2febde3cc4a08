"""Fixtures shared by all rooms: real servers, started once, stopped by the process id we recorded.

    redis_server   the embedded Redis of the test session      redis_url   an empty database of it, per test
    own_redis      another one, for tests that make it refuse
    s3_server      the embedded store of the test session      s3_bucket   an empty bucket of it, per test
    settings       Settings that point at both, per test       s3_client   minio-py on the store
    web_server     the web app with one worker on a toy model; `web`: the same with all session slots free
    stack          the whole system (`arc-fabric up`); `.url` is the web app

`web_server` and `stack` are kept from module to module while tests that want them come (tests/support/kept.py).

A server that a failing test used has its log printed with the failure.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from minio import Minio

from arc_fabric.services.ports import free_ports
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from tests.services.stack import RunningStack
from tests.support import sharing_out
from tests.support.buckets import new_bucket
from tests.support.kept import kept
from tests.support.sharing_out import BySystem
from tests.support.web_fixtures import picture, web, web_server

__all__ = ["picture", "web", "web_server"]

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Several processes run tests at once: with more threads each they would wait for each other. Torch reads it when it is
imported, which is later."""

_databases = itertools.cycle(range(1, 63))
"""Database 0 is the web server's, 63 that of the workers that a module shares."""


@pytest.fixture(scope="module", autouse=True)
def _lean() -> Iterator[None]:
    """After a module: end what the next tests do without, and give back memory that its tests left behind."""
    yield
    kept.module_over()
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


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> RunningStack:
    """The whole system, kept for all its tests: `.url` is the web app, `.facts` what `up --json` printed."""
    env = {"ARC_FABRIC_OPENPI_PORT": str(free_ports(1)[0])}
    made: RunningStack = kept.get(
        "stack", lambda: RunningStack(tmp_path_factory.mktemp("stack"), "--devices", "cpu,cpu", env=env).running()
    )
    return made


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySystem | None:
    """With `--dist loadfile`: files that share a whole system go together, too."""
    return BySystem(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need a system on which nothing has happened begin their file; under pytest-xdist the longest begin
    first."""
    sharing_out.check(items)
    sharing_out.begin_files(items)
    if hasattr(config, "workerinput"):
        items.sort(key=sharing_out.turn)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What is kept for the next test is known before the fixtures of this one end."""
    kept.next = nextitem


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
