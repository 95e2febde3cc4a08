"""One torch thread for everything whose bits are promised: sums split over more threads round otherwise.

A state made by a worker with one thread then continues with the same bits in a notebook that has eight.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside, with as many as before afterwards. Also serves as a decorator."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
