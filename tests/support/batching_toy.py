"""A toy model that steps several rows in one call; its fast batches differ from exact ones in the last bits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Tensor

from arc_fabric.models.contract import LISTS, TENSORS
from tests.support.toy_model import ToyModel


class BatchingToy(ToyModel):
    """Rows are computed one by one, as the tabletop's exact ones are. `batch_calls` has the rows of each call."""

    abilities = replace(ToyModel.abilities, batches=True, batch_bit_exact=True)

    def __init__(self, device: str | torch.device = "cpu", *, weights_seed: int = 0) -> None:
        super().__init__(device, weights_seed=weights_seed)
        self.exact_batches = True
        self.batch_calls: list[int] = []

    def lazy_joint_video_action_causal(
        self, inputs: dict[str, Tensor], latent_video: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step of every row."""
        rows = len(inputs["text"])
        self.batch_calls.append(rows)
        if rows == 1:
            return super().lazy_joint_video_action_causal(inputs, latent_video)
        whole, outputs, heads = self.action_head, [], []
        for row in range(rows):
            self.action_head = _row_of(whole, row)
            one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
            part = None if latent_video is None else latent_video[row : row + 1]
            outputs.append(super().lazy_joint_video_action_causal(one, part))
            heads.append(self.action_head)
        self.action_head = whole
        for name in LISTS:
            layers = zip(*(getattr(head, name) for head in heads), strict=True)
            setattr(whole, name, [torch.cat(layer, 1) for layer in layers])
        for name in TENSORS:
            setattr(whole, name, torch.cat([getattr(head, name) for head in heads]))
        whole.current_start_frame = heads[0].current_start_frame
        rounding = 1.0 if self.exact_batches else 1.0 + 1e-6
        return {name: torch.cat([out[name] for out in outputs]) * rounding for name in outputs[0]}


def _row_of(head: SimpleNamespace, row: int) -> SimpleNamespace:
    lists = {name: [layer[:, row : row + 1] for layer in getattr(head, name)] for name in LISTS}
    tensors = {name: getattr(head, name) for name in TENSORS}
    parts = {name: None if tensor is None else tensor[row : row + 1] for name, tensor in tensors.items()}
    rest = {"current_start_frame": head.current_start_frame, "seed": head.seed[row], "settings": head.settings}
    return SimpleNamespace(**lists, **parts, **rest)
