"""A world model of your own: a small recurrent one, to copy from. It has no attention, so no KV cache.

    python -m examples.own_model                              # does it keep the contract?
    arc-fabric up --model python:examples.own_model:load      # serve it, from this folder's parent

Its state is one tensor, which every call replaces; the noise of a call follows from the seed and the step.
docs/how-to/own-model.md says the rest.
"""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from arc_fabric.models.contract import Abilities, Geometry, ModelIdentity

SIZE, GRID, CHANNELS, SPAN, ACTIONS, TEXT = 32, 8, 3, 4, 2, 16
CELLS = CHANNELS * GRID * GRID


class Drift:
    """Pictures that drift: the next one follows from the one before, the prompt and the actions."""

    abilities = Abilities(True, batches=False, batch_bit_exact=False, rebuilds_kv=False, remembers=True)
    geometry = Geometry(
        image_height=SIZE, image_width=SIZE, fps=8.0, frames_per_latent=SPAN, latents_per_block=1, window=9,
        latent_channels=CHANNELS, latent_height=GRID, latent_width=GRID, tokens_per_latent=1, layers=0, heads=0,
        head_dim=0, action_dim=ACTIONS, action_horizon=SPAN, state_dim=0, action_names=("right", "down"),
    )  # fmt: skip

    def __init__(self, device: str = "cpu", weights_seed: int = 0) -> None:
        self.device, g = torch.device(device), torch.Generator().manual_seed(weights_seed)
        sizes = {"mix": CELLS, "text": TEXT, "action": SPAN * ACTIONS}
        self.weights = {k: (torch.randn(n, CELLS, generator=g) / n**0.5).to(device) for k, n in sizes.items()}
        # All that outlives a call. `ys` is ours to use; the names are those that the platform saves and restores.
        lists = {name: [] for name in ("kv_cache1", "kv_cache_neg", "crossattn_cache", "crossattn_cache_neg")}
        self.action_head = SimpleNamespace(
            **lists, clip_feas=None, ys=None, language=None, current_start_frame=0, seed=0, memory=None
        )

    def identity(self) -> ModelIdentity:
        """What must be equal for the same bits: the weights, the device, the software."""
        digest = hashlib.sha256(b"".join(w.cpu().numpy().tobytes() for w in self.weights.values())).hexdigest()
        return ModelIdentity("drift", digest, "float32", "none", self.device.type, {}, {"torch": torch.__version__})

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] of any size -> uint8 [32, 32, 3]."""
        rows, columns = (np.arange(SIZE) * length // SIZE for length in image.shape[:2])
        return np.ascontiguousarray(image[rows][:, columns])

    def language_of(self, prompt: str) -> Tensor:
        """The prompt as numbers, int64 [1, 16]."""
        return torch.tensor([list(hashlib.sha256(prompt.encode()).digest()[:TEXT])], device=self.device)

    def make_inputs(self, frames: np.ndarray, prompt: str, *, action: Any = None, **unused: Any) -> dict[str, Tensor]:
        """The tensors of a call. Without actions the world drifts by itself; one frame begins a window."""
        given = np.zeros((SPAN, ACTIONS)) if action is None else action
        pushed = torch.tensor(np.array(given, np.float32))[None].to(self.device)
        return {"image": torch.tensor(frames).to(self.device), "text": self.language_of(prompt), "action": pushed}

    @torch.no_grad()
    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Any = None) -> dict[str, Tensor]:
        """One step: a latent frame; the first of a window gives its anchor, too."""
        head, fresh = self.action_head, len(inputs["image"]) == 1
        if fresh:  # a window begins from a picture; `memory` is the state that the last one ended with
            pixels = inputs["image"].permute(0, 3, 1, 2).float() / 127.5 - 1
            anchor = nn.functional.avg_pool2d(pixels, SIZE // GRID)[:, :, None]
            head.ys, head.memory = (anchor.flatten(1) if head.memory is None else head.memory), None
            head.current_start_frame, head.language = 1, inputs["text"].clone()
        noise = torch.Generator().manual_seed(1000 * head.seed + head.current_start_frame)
        text, action = inputs["text"].float() / 255, inputs["action"].flatten(1)
        pushed = text @ self.weights["text"] + action @ self.weights["action"]
        pushed = 0.3 * pushed + 0.1 * torch.randn(1, CELLS, generator=noise).to(self.device)
        head.ys = torch.tanh(head.ys @ self.weights["mix"] + pushed)
        head.current_start_frame += 1
        block = head.ys.view(1, CHANNELS, 1, GRID, GRID)
        return {"video_pred": torch.cat([anchor, block], 2) if fresh else block, "action_pred": inputs["action"]}

    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        """Latents [1, C, T, 8, 8] from the anchor on -> the frames of `start:`, uint8 [F, 32, 32, 3]."""
        z = latents[0].float().cpu().permute(1, 2, 3, 0)
        frames = z[[t for t in range(start, len(z)) for _ in range(SPAN if t else 1)]]
        pixels = (frames * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.repeat_interleave(SIZE // GRID, 1).repeat_interleave(SIZE // GRID, 2).numpy()


def load(device: str = "cpu") -> Drift:
    """What `python:examples.own_model:load` calls."""
    return Drift(device)


if __name__ == "__main__":
    from arc_fabric.testing import check_model

    print(check_model(load, others=[lambda: Drift(weights_seed=1)]))
