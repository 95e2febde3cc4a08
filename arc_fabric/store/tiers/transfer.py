"""Moves bytes between a device and host memory, beside the model's own stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from arc_fabric.store.format.manifest import Piece, TensorRecord
from arc_fabric.store.format.pieces import DTYPES, is_zero


def fix_device(device: torch.device | str) -> torch.device:
    """A device with its index: 'cuda' means the current one, as tensors report it."""
    found = torch.device(device)
    if found.type == "cuda" and found.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return found


def host_buffer(length: int) -> torch.Tensor:
    """uint8 [length] in host memory, page-locked where there is a CUDA device (for asynchronous copies)."""
    return torch.empty(length, dtype=torch.uint8, pin_memory=_has_cuda())


def copied(view: torch.Tensor) -> torch.Tensor | None:
    """The bytes of a tensor in C order as a host buffer, uint8 [n]; None when all are zero."""
    if not view.numel():
        return None
    if view.device.type == "cpu":
        return _copied_by_numpy(view)
    if is_zero(view):
        return None
    buffer = host_buffer(view.numel() * view.element_size())
    buffer.view(view.dtype).view(view.shape).copy_(view)
    return buffer


def _copied_by_numpy(view: torch.Tensor) -> torch.Tensor | None:
    """What `copied` gives, with few calls of torch: each lets go of the interpreter's lock and fetches it back."""
    flat = view.detach() if view.dim() else view.detach().reshape(1)
    rows = (flat if flat.stride(-1) == 1 else flat.contiguous()).view(torch.uint8).numpy()
    if not rows[(0,) * (rows.ndim - 1)].any() and not rows.any():
        return None
    buffer = host_buffer(rows.size)
    buffer.numpy().reshape(rows.shape)[...] = rows
    return buffer


@cache
def _has_cuda() -> bool:
    return torch.cuda.is_available()


def as_piece(buffer: torch.Tensor, record: TensorRecord, piece: Piece) -> torch.Tensor:
    """A host buffer seen as the piece it holds."""
    return buffer.view(DTYPES[record.dtype]).view(record.piece_shape(piece))


def mark(devices: Iterable[torch.device]) -> list[torch.cuda.Event]:
    """Events after all work queued so far by this thread on these CUDA devices."""
    return [torch.cuda.current_stream(device).record_event() for device in set(devices) if device.type == "cuda"]


@contextmanager
def side_stream(devices: Iterable[torch.device], after: Iterable[torch.cuda.Event] = ()) -> Iterator[None]:
    """Work on streams of our own, not before `after`; on leaving, that work is done. Nothing to do on a CPU."""
    streams = [torch.cuda.Stream(device) for device in set(devices) if device.type == "cuda"]
    if not streams:
        yield
        return
    (stream,) = streams  # a snapshot lives on one accelerator
    for event in after:
        stream.wait_event(event)
    with torch.cuda.stream(stream):
        yield
    stream.synchronize()
