"""A world model of your own: a small recurrent one, to copy from. It declares its state and steps; nothing else.

    python -m examples.own_model                              # does it keep the contract?
    arc-fabric up --model python:examples.own_model:load      # serve it, from this folder's parent

What outlives a step is one picture, which every step replaces; noise follows from the seed and the step, so that it
needs no generator. docs/how-to/own-model.md says the rest.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from arc_fabric.models.contract import Abilities, Control, Geometry, ModelIdentity, Part, State, StepInput, StepOutput

SIZE, GRID, CHANNELS, SPAN, TEXT = 32, 8, 3, 4, 16
CELLS = CHANNELS * GRID * GRID
CONTROLS = (Control("right", "continuous", -1.0, 1.0), Control("jump", "discrete", 0, 1, ("up", "down")))


class Drift:
    """Pictures that drift: the next one follows from the one before, the prompt and the actions."""

    abilities = Abilities(
        steers_with_actions=True, batches=False, batch_bit_exact=False, rebuilds_kv=False, predicts_actions=False,
        needs_picture=False,
    )  # fmt: skip
    geometry = Geometry(
        image_height=SIZE, image_width=SIZE, fps=8.0, frames_per_latent=SPAN, latents_per_block=1, window=0,
        latent_channels=CHANNELS, latent_height=GRID, latent_width=GRID, tokens_per_latent=1, layers=0, heads=0,
        head_dim=0, action_dim=len(CONTROLS), action_horizon=SPAN, state_dim=0, controls=CONTROLS,
    )  # fmt: skip
    parts = {"scene": Part("replaced")}

    def __init__(self, device: str = "cpu", weights_seed: int = 0) -> None:
        self.device, g = torch.device(device), torch.Generator().manual_seed(weights_seed)
        sizes = {"mix": CELLS, "text": TEXT, "action": SPAN * len(CONTROLS)}
        self.weights = {k: (torch.randn(n, CELLS, generator=g) / n**0.5).to(device) for k, n in sizes.items()}
        self.scene: Tensor | None = None

    def identity(self) -> ModelIdentity:
        """What must be equal for the same bits: the weights, the device, the software."""
        digest = hashlib.sha256(b"".join(w.cpu().numpy().tobytes() for w in self.weights.values())).hexdigest()
        return ModelIdentity("drift", digest, "float32", "none", self.device.type, {}, {"torch": torch.__version__})

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] of any size -> uint8 [32, 32, 3]."""
        rows, columns = (np.arange(SIZE) * length // SIZE for length in image.shape[:2])
        return np.ascontiguousarray(image[rows][:, columns])

    def reset(self) -> None:
        """A world in which nothing has happened."""
        self.scene = None

    def export_state(self) -> State:
        """By reference: a step replaces the tensor."""
        return {"scene": self.scene}

    def load_state(self, state: State) -> None:
        """Take over what was exported."""
        scene = state["scene"]
        self.scene = scene if isinstance(scene, Tensor) else None

    @torch.no_grad()
    def step(self, given: StepInput) -> StepOutput:
        """One latent frame further; the first one from the picture, or from nothing."""
        if given.begins:
            self.scene = torch.zeros(1, CELLS, device=self.device)
        if given.picture is not None:
            pixels = torch.from_numpy(given.picture.copy()).to(self.device).permute(2, 0, 1)[None] / 127.5 - 1
            self.scene = nn.functional.avg_pool2d(pixels, SIZE // GRID).flatten(1)
        noise = torch.Generator().manual_seed(1000 * given.seed + given.step)
        letters = list(hashlib.sha256(given.prompt.encode()).digest()[:TEXT])
        action = np.zeros((SPAN, len(CONTROLS)), np.float32) if given.action is None else given.action
        pushed = torch.tensor(letters, device=self.device) / 255 @ self.weights["text"]
        pushed = pushed + torch.from_numpy(action.copy()).to(self.device).flatten() @ self.weights["action"]
        pushed = 0.3 * pushed + 0.1 * torch.randn(1, CELLS, generator=noise).to(self.device)
        self.scene = torch.tanh(self.scene @ self.weights["mix"] + pushed)  # type: ignore[operator]
        latents = self.scene.view(1, 1, CHANNELS, GRID, GRID)
        pixels = (latents[0, 0].permute(1, 2, 0) * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
        frame = pixels.repeat_interleave(SIZE // GRID, 0).repeat_interleave(SIZE // GRID, 1)
        return StepOutput(frame[None].repeat(SPAN, 1, 1, 1).cpu().numpy(), latents)


def load(device: str = "cpu") -> Drift:
    """What `python:examples.own_model:load` calls."""
    return Drift(device)


if __name__ == "__main__":
    from arc_fabric.testing import check_model

    print(check_model(load, others=[lambda: Drift(weights_seed=1)]))
