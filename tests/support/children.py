"""Ending the processes of a test."""

from __future__ import annotations

import signal
from collections.abc import Collection

from arc_fabric.services.process import Child


def end_all(children: Collection[Child], timeout_s: float) -> None:
    """SIGTERM to all at once, also to frozen ones; what has not ended after `timeout_s` is stopped as `Child.stop`
    does."""
    for child in children:
        if child.running:
            child.send(signal.SIGCONT)
            child.send(signal.SIGTERM)
    for child in children:
        child.wait(timeout_s)
        child.stop()
