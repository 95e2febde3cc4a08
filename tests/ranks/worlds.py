"""Worlds of the toys."""

from __future__ import annotations

from arc_fabric import Session, StateManager
from tests.sdk.worlds import PROMPT
from tests.support.toy_model import ToyModel


def world(manager: StateManager, name: str = "ses", **more: object) -> Session:
    """A world from its prompt alone."""
    return Session(name, manager.model, manager, PROMPT, **{"seed": 3} | more)  # type: ignore[arg-type]


def pictured(manager: StateManager, name: str = "ses", **more: object) -> Session:
    """A world on a picture."""
    options = {"seed": 3} | more
    return Session(name, manager.model, manager, PROMPT, ToyModel.sample_frame(), **options)  # type: ignore[arg-type]
