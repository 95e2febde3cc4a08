"""As many torch threads as a worker of the running system has: on a CPU their number decides about the last bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from arc_fabric.services.devices import threads_per_worker

STACK_WORKERS = 2
"""Workers of the fixture `stack`."""


@contextmanager
def threads_of_a_worker() -> Iterator[None]:
    """Inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads_per_worker(STACK_WORKERS, 0))
    try:
        yield
    finally:
        torch.set_num_threads(before)
