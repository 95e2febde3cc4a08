"""Backends and DreamZero-shaped states for the store's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_fabric.services.weed import WeedServer
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, DiskBackend, MemoryBackend, S3Backend


@pytest.fixture
def s3_backend(s3_server: WeedServer, s3_bucket: str) -> Iterator[S3Backend]:
    """A real object store with an empty bucket."""
    pair = s3_server.credentials
    backend = S3Backend(s3_server.endpoint, pair.access_key, pair.secret_key, s3_bucket)
    yield backend
    backend.close()


@pytest.fixture(params=["memory", "disk", "s3"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each kind of backend in turn, empty."""
    if request.param == "memory":
        return MemoryBackend()
    if request.param == "disk":
        return DiskBackend(tmp_path / "objects")
    return request.getfixturevalue("s3_backend")


@pytest.fixture
def open_store() -> Iterator[Callable[..., SnapshotStore]]:
    """Makes stores and closes them after the test."""
    made: list[SnapshotStore] = []

    def make(*args: object, **options: object) -> SnapshotStore:
        made.append(SnapshotStore(*args, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for store in made:
        store.close(timeout=5)
