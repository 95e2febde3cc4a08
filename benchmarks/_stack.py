"""The whole system for a benchmark."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from arc_fabric.client import ArcFabric
from arc_fabric.services.stack import Stack
from arc_fabric.settings import load_settings


@contextmanager
def running(model: str) -> Iterator[ArcFabric]:
    """The system on a fresh folder, with one CPU worker, and a client of it."""
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        stack = Stack(load_settings(data_dir=folder, devices="cpu", flower=False, model=model))
        stack.start()
        try:
            with ArcFabric(stack.url) as fabric:
                yield fabric
        finally:
            stack.stop()
