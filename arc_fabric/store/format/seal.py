"""Whether a tensor was written in place since it was captured.

A checksum tells it: made where the tensor lives, one read of it, and one number that leaves the device. The cheaper
seal is the version counter, which tensors made under `torch.inference_mode()` lack, and which hand-written kernels do
not move: it serves where the state's keeper has looked at the checksums already.

>>> with torch.inference_mode():
...     tensor = torch.zeros(1000)
...     before = seal_of(tensor)
...     _ = tensor[7].fill_(1)
>>> seal_of(tensor) == before
False
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

_ROW = 256
_ODD = 0x9E3779B97F4A7C15 - (1 << 64)


def seals_of(tensors: Iterable[torch.Tensor]) -> tuple[int, ...]:
    """A seal each: the version counter, or the checksum where there is none."""
    given = list(tensors)
    uncounted = [at for at, tensor in enumerate(given) if tensor.is_inference()]
    sums = dict(zip(uncounted, checksums_of(given[at] for at in uncounted), strict=True))
    return tuple(sums[at] if tensor.is_inference() else tensor._version for at, tensor in enumerate(given))


def checksums_of(tensors: Iterable[torch.Tensor]) -> tuple[int, ...]:
    """A checksum of each one's bytes; one transfer for all of a device."""
    sums = [_checksum(tensor) for tensor in tensors]
    if len({scalar.device for scalar in sums}) == 1:
        return tuple(int(number) for number in torch.stack(sums).tolist())
    return tuple(int(scalar) for scalar in sums)


def seal_of(tensor: torch.Tensor) -> int:
    """The seal of one tensor."""
    return seals_of([tensor])[0]


def _checksum(tensor: torch.Tensor) -> torch.Tensor:
    """int64 []: rows of words are summed up, and the sums weighted by their place: what moves is seen, too."""
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    whole = flat.numel() // 8 * 8
    words = flat[:whole]
    if words.storage_offset() % 8:
        words = words.clone()
    numbers = words.view(torch.int64)
    even = len(numbers) // _ROW * _ROW
    parts = [numbers[:even].view(-1, _ROW).sum(1), numbers[even:], flat[whole:].to(torch.int64)]
    sums = torch.cat(parts)
    return (sums * (torch.arange(1, len(sums) + 1, device=sums.device) * _ODD | 1)).sum()
