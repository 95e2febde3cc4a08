"""A toy model whose caches are buffers that it writes in place, as rolling KV caches are, and does not say so."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.support.toy_model import HEAD_DIM, HEADS, LAYERS, TOKENS, WINDOW, ToyModel


class Overwriting(ToyModel):
    """The toy's numbers, with KV in buffers of a whole window; under `torch.inference_mode` where asked for."""

    def __init__(self, device: str = "cpu", *, inference: bool = True) -> None:
        super().__init__(device)
        self._mode = torch.inference_mode if inference else torch.no_grad

    def lazy_joint_video_action_causal(
        self, inputs: dict[str, Tensor], latent_video: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step."""
        with self._mode():
            return super().lazy_joint_video_action_causal(inputs, latent_video)

    def _clear_kv(self) -> None:
        super()._clear_kv()
        shape = (2, 1, WINDOW * TOKENS, HEADS, HEAD_DIM)
        for name in ("kv_cache1", "kv_cache_neg"):
            setattr(self.action_head, name, [torch.zeros(shape, device=self.device) for _ in range(LAYERS)])

    def _layer(self, i: int, x: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        return super()._layer(i, x, cache[:, :, : self._used])

    def _prefill(self, latents: Tensor, start: int, text: Tensor) -> None:
        self._used = start * TOKENS
        buffers = {name: list(getattr(self.action_head, name)) for name in ("kv_cache1", "kv_cache_neg")}
        super()._prefill(latents, start, text)
        for name, old in buffers.items():
            for i, (buffer, full) in enumerate(zip(old, getattr(self.action_head, name), strict=True)):
                buffer[:, :, : full.shape[2]].copy_(full)
                getattr(self.action_head, name)[i] = buffer
        self._used += latents.shape[2] * TOKENS
