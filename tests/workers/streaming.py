"""A model that shows a step's pictures before the step is done, and waits there; its prompt says what becomes of it.

"wait <path>"  it goes on once the file is there        "fail <path>"  then it raises instead
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from arc_fabric.models.contract import StepInput
from tests.support.rolling_model import RollingToy


class Waiting(RollingToy):
    """Between its pictures and its caches."""

    def __init__(self) -> None:
        super().__init__(streams=True)

    def _show(self, latents: torch.Tensor, given: StepInput) -> None:
        super()._show(latents, given)
        word, _, path = given.prompt.partition(" ")
        if word not in ("wait", "fail"):
            return
        until = time.monotonic() + 60
        while not Path(path).exists() and time.monotonic() < until:
            time.sleep(0.02)
        if word == "fail":
            raise RuntimeError("broken after its pictures were shown")


def make_model(device: str) -> Waiting:
    """For the setting `model = python:tests.workers.streaming:make_model`."""
    assert device == "cpu"
    return Waiting()
