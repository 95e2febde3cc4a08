"""Arc Fabric: checkpoint, fork, rewind and compare the worlds of autoregressive video world models.

The SDK works in one process, without a server:

>>> from arc_fabric import World

It needs the extra `sdk`. Names are loaded on first use, so that parts without torch stay without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arc_fabric.manager import CheckpointInfo, StateManager
    from arc_fabric.session import Session
    from arc_fabric.state import WorldStateSnapshot
    from arc_fabric.steps.result import StepResult
    from arc_fabric.tree import TrajectoryTree, TreeNode
    from arc_fabric.world import World

__version__ = "0.1.0"
__all__ = [
    "CheckpointInfo",
    "Session",
    "StateManager",
    "StepResult",
    "TrajectoryTree",
    "TreeNode",
    "World",
    "WorldStateSnapshot",
    "__version__",
]

_HOMES = {
    "CheckpointInfo": "manager",
    "Session": "session",
    "StateManager": "manager",
    "StepResult": "steps.result",
    "TrajectoryTree": "tree",
    "TreeNode": "tree",
    "World": "world",
    "WorldStateSnapshot": "state",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from arc_fabric.extras import extra

    with extra("sdk"):
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
