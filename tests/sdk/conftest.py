"""A toy model and a manager on it, per test."""

from __future__ import annotations

import pytest

from arc_fabric import StateManager
from tests.sdk.worlds import new_session
from tests.support.toy_model import ToyModel


@pytest.fixture
def model() -> ToyModel:
    """A model that steps in a millisecond."""
    return ToyModel()


@pytest.fixture
def manager(model: ToyModel) -> StateManager:
    """A manager whose checkpoints stay in memory."""
    return StateManager(model)


@pytest.fixture
def session(manager: StateManager):
    """A session at its root."""
    return new_session(manager)
