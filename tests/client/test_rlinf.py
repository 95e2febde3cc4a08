"""The backend that RLinf's world-model environments ask for, against its protocol as published there: names, shapes and
ranges."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytest
import torch

from arc_fabric.client import ArcFabric
from arc_fabric.client.rlinf import RLinfBackend
from arc_fabric.errors import InvalidRequest, SessionLimitReached


@runtime_checkable
class WorldModelBackend(Protocol):
    """The calls that RLinf makes, with the names of their arguments."""

    def open_session(
        self, env_ids: Sequence[int], init_frames: Any, task_ids: Sequence[Any], seeds: Sequence[int]
    ) -> None:
        """Start a trajectory per slot."""

    def generate(self, env_ids: Sequence[int], actions: torch.Tensor, condition: Any) -> torch.Tensor:
        """[B, T, action_dim] -> [B, C, T, H, W] in [-1, 1]."""

    def close_session(self, env_ids: Sequence[int]) -> None:
        """End trajectories."""

    def offload(self) -> None:
        """Weights off the device."""

    def onload(self) -> None:
        """Weights back."""


@pytest.fixture
def backend(fabric: ArcFabric) -> Iterator[RLinfBackend]:
    """A backend on the toy model; tasks have names."""
    made = RLinfBackend(fabric, prompt=lambda task: f"task {task}")
    yield made
    made.close_session(range(8))


def _frames(seed: int = 0) -> list[torch.Tensor]:
    """A condition window of one frame, at the model's size."""
    return [torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1]


def _actions(rows: int, chunks: int = 1) -> torch.Tensor:
    return torch.rand(rows, 8 * chunks, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_it_is_what_the_protocol_asks_for(backend: RLinfBackend) -> None:
    assert isinstance(backend, WorldModelBackend)
    for name in ("open_session", "generate", "close_session", "offload", "onload"):
        asked = list(inspect.signature(getattr(WorldModelBackend, name)).parameters)[1:]
        assert list(inspect.signature(getattr(backend, name)).parameters)[: len(asked)] == asked
    assert (backend.chunk, backend.condition_frame_length, backend.image_size) == (8, 1, (32, 32))


def test_chunks_advance_the_trajectories(backend: RLinfBackend) -> None:
    """As RLinf's environment does it: open, generate with the last frames as condition, close."""
    frames = [_frames(0), _frames(0), _frames(1)]
    backend.onload()
    backend.open_session(env_ids=[0, 1, 5], init_frames=frames, task_ids=["a", "a", "b"], seeds=[0, 0, 3])
    video = backend.generate([0, 1, 5], _actions(3), frames)
    assert (video.shape, video.dtype) == ((3, 3, 8, 32, 32), torch.float32)
    assert -1 <= float(video.min()) < float(video.max()) <= 1
    more = backend.generate([5, 0], _actions(2, chunks=2), [[video[2][:, -1:]], [video[0][:, -1:]]])
    assert more.shape == (2, 3, 16, 32, 32)
    backend.offload()
    backend.close_session([0, 1, 5, 7])
    with pytest.raises(InvalidRequest, match="no session"):
        backend.generate([0], _actions(1))


def test_a_group_begins_in_one_state(backend: RLinfBackend, fabric: ArcFabric) -> None:
    """One picture and one task are one root; equal seeds and actions are equal bits, other seeds are not."""
    backend.open_session([0, 1, 2], [_frames()] * 3, ["a"] * 3, [4, 4, 5])
    video = backend.generate([0, 1, 2], _actions(1).repeat(3, 1, 1), None)
    assert torch.equal(video[0], video[1])
    assert not torch.equal(video[0], video[2])
    roots = {fabric.checkpoint(backend.checkpoint_of(n)).lineage[0] for n in range(3)}
    assert len(roots) == 1


def test_later_versions_give_actions_in_place_of_conditions(backend: RLinfBackend) -> None:
    backend.open_session(
        env_ids=[0], init_frames=[_frames()], init_actions=torch.zeros(1, 1, 4), task_ids=[1], seeds=[0]
    )
    assert backend.generate(env_ids=[0], actions=_actions(1)).shape == (1, 3, 8, 32, 32)


def test_wrong_calls_are_refused_and_leave_nothing(backend: RLinfBackend, fabric: ArcFabric) -> None:
    with pytest.raises(SessionLimitReached):
        backend.open_session(range(8), [_frames()] * 8, ["a"] * 8, [0] * 8)
    assert fabric.sessions(state="open") == []
    backend.open_session([0], [_frames()], ["a"], [0])
    with pytest.raises(InvalidRequest, match="have a session"):
        backend.open_session([0], [_frames()], ["a"], [0])
    with pytest.raises(InvalidRequest, match="multiple of 8"):
        backend.generate([0], _actions(1)[:, :5])
    with pytest.raises(InvalidRequest, match="condition does not end"):
        backend.generate([0], _actions(1), [_frames(9)])
    with pytest.raises(InvalidRequest, match="one length"):
        backend.open_session([1, 2], [_frames()], ["a"], [0])
    assert len(fabric.sessions(state="open")) == 1
    assert np.isfinite(backend.generate([0], _actions(1)).numpy()).all()
