"""Both sides of `arc_fabric.protocol`: a World in this process, and a server with one worker on the same toy model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pytest

from arc_fabric import World
from arc_fabric.client import ArcFabric
from arc_fabric.media.comparison import Comparison
from arc_fabric.protocol import SessionProtocol
from tests.support.toy_model import ToyModel
from tests.support.web_server import WebServer

PROMPT, OTHER = "pick up the red cup", "push the cup to the left"
FRAME = ToyModel.sample_frame(3)
GEOMETRY = ToyModel.geometry


class Side(Protocol):
    """What opens sessions and compares them."""

    def new(self, prompt: str = PROMPT, frame: Any = FRAME, **options: Any) -> SessionProtocol:
        """A session at its root."""

    def compare(self, *branches: SessionProtocol | str) -> Comparison:
        """Where branches part."""


@dataclass
class Here:
    """In this process."""

    world: World

    def new(self, prompt: str = PROMPT, frame: Any = FRAME, **options: Any) -> SessionProtocol:
        return self.world.session(prompt, frame, **options)

    def compare(self, *branches: SessionProtocol | str) -> Comparison:
        return self.world.compare(*branches)


@dataclass
class There:
    """On a server."""

    fabric: ArcFabric

    def new(self, prompt: str = PROMPT, frame: Any = FRAME, **options: Any) -> SessionProtocol:
        return self.fabric.new_session(prompt, frame, **options)

    def compare(self, *branches: SessionProtocol | str) -> Comparison:
        return self.fabric.compare(*branches)


@pytest.fixture
def here() -> Iterator[Side]:
    """A World."""
    with World(ToyModel()) as world:
        yield Here(world)


@pytest.fixture
def there(web: WebServer) -> Iterator[Side]:
    """A server."""
    with ArcFabric(web.url) as fabric:
        yield There(fabric)


@pytest.fixture(params=["here", "there"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each of the two."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def trunk(side: Side) -> SessionProtocol:
    """A session at its root."""
    return side.new(seed=7)


def given(n: int, value: float = 0.25) -> np.ndarray:
    """Actions of `n` steps, float32 [n, action_horizon, action_dim]."""
    return np.full((n, GEOMETRY.action_horizon, GEOMETRY.action_dim), value, np.float32)


def seen(n: int) -> list[np.ndarray]:
    """Real frames of one step, `n` of them."""
    return [ToyModel.sample_frame(50 + i) for i in range(n)]
