"""Messages between two ranks: a JSON object and tensors by name, over a process group of torch.distributed (gloo).

Tensors travel as their bytes, from host memory to host memory: any dtype, no pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

Message = tuple[dict[str, Any], dict[str, Tensor]]


def send(group: dist.ProcessGroup, to: int, body: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Send a message. Raises RuntimeError where the other rank is gone."""
    shapes = [[name, str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()]
    header = torch.frombuffer(bytearray(json.dumps([body, shapes]).encode()), dtype=torch.uint8)
    dist.send(torch.tensor([header.numel()]), to, group=group)
    dist.send(header, to, group=group)
    for tensor in tensors.values():
        if tensor.numel():
            dist.send(_bytes_of(tensor.detach().to("cpu").contiguous()), to, group=group)


def receive(group: dist.ProcessGroup, sender: int) -> Message:
    """Wait for a message. Raises RuntimeError where the other rank is gone."""
    length = torch.zeros(1, dtype=torch.int64)
    dist.recv(length, sender, group=group)
    header = torch.empty(int(length), dtype=torch.uint8)
    dist.recv(header, sender, group=group)
    body, shapes = json.loads(header.numpy().tobytes())
    tensors = {}
    for name, dtype, shape in shapes:
        tensors[name] = torch.empty(shape, dtype=getattr(torch, dtype))
        if tensors[name].numel():
            dist.recv(_bytes_of(tensors[name]), sender, group=group)
    return body, tensors


def _bytes_of(tensor: Tensor) -> Tensor:
    """A view of a tensor in host memory that has no gaps."""
    return tensor.reshape(-1).view(torch.uint8)
