"""A policy that the command line names."""

from __future__ import annotations

from arc_fabric.acting import Seen


def still(seen: Seen) -> None:
    """Lets the model's own policy act."""
