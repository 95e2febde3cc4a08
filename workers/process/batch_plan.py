"""How many rows a worker steps together: as many as pay, and as memory holds."""

from __future__ import annotations

import psutil
import torch

from arc_fabric.models.contract import Geometry, Model
from arc_fabric.settings import Settings

ON_CPU, ON_GPU = 4, 16
"""Rows that pay: on two CPU cores the tabletop model steps 4 rows in less time per row than 8 or 16 (measured)."""
_COPIES = 3
"""Of a row's KV at once: what the batch begins from, what the model makes of it, and the rows' own."""
_SHARE = 0.5
"""Of the memory that is free, for batches."""


def rows_at_once(settings: Settings, model: Model) -> int:
    """The most rows of one batch; 1: no batches."""
    asked = settings.batch_rows or (ON_GPU if model.device.type == "cuda" else ON_CPU)
    row = _COPIES * kv_bytes(model.geometry)
    return max(1, min(asked, int(_SHARE * _free_bytes(model.device)) // max(1, row)))


def kv_bytes(geometry: Geometry) -> int:
    """Bytes of a full window's KV of one row, both branches, as 32-bit floats at most."""
    numbers = geometry.window * geometry.tokens_per_latent * geometry.heads * geometry.head_dim
    return 2 * 2 * geometry.layers * numbers * 4


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
