"""A hash of a tensor's bytes, computed where the tensor lives: how unchanged pieces are recognised on an accelerator.

Multilinear hashing (Lemire & Kaser, "Strongly universal string hashing is fast", The Computer Journal 57(11), 2014,
arXiv:1202.4961): sum of word_i * key_i mod 2^64 over 32-bit words with random 64-bit keys. Integer sums are exact,
so the result does not depend on the order in which a device adds. Rows of 4096 words are hashed first, then the row
hashes, with fresh keys per level. Two lanes with independent keys. Two different inputs of one length collide in one
lane with odds of at most 2^-33 per level (their word difference has at most 31 factors of two), so in both with at
most 2^-66, and with three levels (up to 16 GiB) at most 2^-64.4. The keys are fixed and public: the odds hold for
data that was not made to collide. At rest, and against malice, the BLAKE3 digest decides.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

_ROW = 4096
_CHUNK_ROWS = 2048
_SEED = 0xA2C_FAB


def fingerprint(tensor: torch.Tensor) -> str:
    """32 hex digits over the bytes of `tensor` in C order, whatever its dtype and strides."""
    data = tensor.detach().contiguous().as_strided((tensor.numel(),), (1,)).view(torch.uint8)
    words = _pad(data if data.storage_offset() % 4 == 0 else data.clone(), 4).view(torch.int32)
    level = 0
    while True:
        hashes = _hash_rows(_pad(words, _ROW).view(-1, _ROW), level)
        if hashes.shape[0] == 1:
            low, high = (value & (1 << 64) - 1 for value in hashes[0].tolist())
            return f"{low:016x}{high:016x}"
        words = hashes.reshape(-1).view(torch.int32)
        level += 1


def _hash_rows(rows: torch.Tensor, level: int) -> torch.Tensor:
    """int32 [n, 4096] -> int64 [n, 2]."""
    keys = _keys(level, str(rows.device))
    hashed = [
        torch.stack([(wide * key).sum(-1) for key in keys], dim=-1)
        for wide in (chunk.to(torch.int64) for chunk in rows.split(_CHUNK_ROWS))
    ]
    return torch.cat(hashed)


def _pad(flat: torch.Tensor, multiple: int) -> torch.Tensor:
    missing = -flat.numel() % multiple or (multiple if flat.numel() == 0 else 0)
    return torch.cat([flat, flat.new_zeros(missing)]) if missing else flat


@lru_cache(maxsize=32)
def _keys(level: int, device: str) -> torch.Tensor:
    """int64 [2, 4096], the same on every machine."""
    generator = np.random.Generator(np.random.PCG64([_SEED, level]))
    bits = generator.integers(-(1 << 63), (1 << 63) - 1, size=(2, _ROW), dtype=np.int64, endpoint=True)
    return torch.from_numpy(bits).to(device)
