"""What a step is given, as a message: numbers and texts as JSON, arrays as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.contract import StepInput


def message_of(given: StepInput) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Body and tensors. Pictures are shown by rank 0 alone."""
    values = {field.name: getattr(given, field.name) for field in fields(given) if field.name != "show"}
    arrays = {name: torch.from_numpy(value.copy()) for name, value in values.items() if isinstance(value, np.ndarray)}
    return {"given": {name: value for name, value in values.items() if name not in arrays}}, arrays


def step_of(body: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> StepInput:
    """Inverse of `message_of`."""
    values: dict[str, Any] = {**body["given"], **{name: tensor.numpy() for name, tensor in tensors.items()}}
    return StepInput(**values)
