"""Worlds of the toy."""

from __future__ import annotations

from arc_fabric import Session, StateManager
from tests.sdk.worlds import PROMPT


def world(manager: StateManager, name: str = "ses", **more: object) -> Session:
    """A world from its prompt alone."""
    return Session(name, manager.model, manager, PROMPT, **{"seed": 3} | more)  # type: ignore[arg-type]
