"""The client's tests run on the same real server as the API's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from arc_fabric.client import ArcFabric, RemoteSession
from tests.support.web_server import WebServer


@pytest.fixture
def fabric(web: WebServer) -> Iterator[ArcFabric]:
    """A client of the server, with all session slots free."""
    with ArcFabric(web.url) as client:
        yield client


@pytest.fixture
def trunk(fabric: ArcFabric, frame: np.ndarray) -> RemoteSession:
    """A session at its root."""
    return fabric.new_session("pick up the red cup", frame, seed=7)


@pytest.fixture(scope="session")
def frame() -> np.ndarray:
    """An initial frame."""
    return np.random.default_rng(5).integers(0, 256, (40, 60, 3), dtype=np.uint8)
