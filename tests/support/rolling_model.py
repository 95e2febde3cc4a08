"""A toy model of the shape that causal Wan derivatives have: caches in buffers that it writes in place and rolls.

It declares its state (`arc_fabric.models.contract`): keys and values `rolling` with a sink (shifting, or as a ring), a
memory that every step overwrites where it lies (`in_place`), a generator that goes on from step to step (`rng`),
counters, and the latents of the steps in its window (`replaced`). Its numbers depend on every input and on the order of
all that happened, so that a byte that is kept wrongly shows in the next step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import InvalidRequest
from arc_fabric.models.contract import (
    Abilities,
    Control,
    Geometry,
    ModelIdentity,
    ModelSetting,
    Part,
    PastStep,
    State,
    StepInput,
    StepOutput,
)

SIZE, GRID, CHANNELS, TOKENS = 32, 4, 4, 4
LAYERS, HEADS, HEAD_DIM = 2, 2, 8
WIDTH = HEADS * HEAD_DIM
SPAN = 2
"""Video frames per latent frame."""
KEYS = (
    Control("forward", "discrete", 0, 1, ("up", "down")),
    Control("turn", "discrete", -1, 1, ("left", "none", "right")),
    Control("yaw", "continuous", -15.0, 15.0, unit="degrees"),
)


class RollingToy:
    """`capacity` and `sink` are latent frames; `block` those of a step. `inference`: its buffers are inference tensors,
    which count no versions. `streams`: it shows a step's pictures before it writes the block."""

    def __init__(
        self, *, capacity: int = 7, sink: int = 1, block: int = 3, ring: bool = False, controls: bool = False,
        vae: bool = True, inference: bool = True, streams: bool = False, weights_seed: int = 0,
    ) -> None:  # fmt: skip
        torch.set_num_threads(1)
        self.device = torch.device("cpu")
        self.capacity, self.sink, self.block, self.ring = capacity, sink, block, ring
        self.vae, self.weights_seed = vae, weights_seed
        self._mode = torch.inference_mode if inference else nullcontext
        self._weights = _weights(weights_seed)
        self.abilities = Abilities(
            steers_with_actions=controls, batches=False, batch_bit_exact=False, rebuilds_kv=False,
            predicts_actions=False, rebuilds_world=vae, needs_picture=False, streams=streams,
            settings=(ModelSetting("gain", "continuous", 0.5, 0.0, 1.0),),
        )  # fmt: skip
        self.geometry = Geometry(
            image_height=SIZE, image_width=SIZE, fps=8.0, frames_per_latent=SPAN, latents_per_block=block, window=0,
            latent_channels=CHANNELS, latent_height=GRID, latent_width=GRID, tokens_per_latent=TOKENS, layers=LAYERS,
            heads=HEADS, head_dim=HEAD_DIM, action_dim=len(KEYS) if controls else 0,
            action_horizon=SPAN * block if controls else 0, state_dim=0, controls=KEYS if controls else (),
        )  # fmt: skip
        rolling = Part(
            "rolling", layers=True, axis=1, unit=TOKENS, capacity=capacity * TOKENS, sink=sink * TOKENS, ring=ring,
            written="written", filled="" if ring else "filled", epoch="recaches", rebuilt="world",
        )  # fmt: skip
        self.parts = {
            "k": rolling, "v": rolling, "memory": Part("in_place"), "noise": Part("rng"),
            "recent": Part("replaced", layers=True), "written": Part("scalar"), "filled": Part("scalar"),
            "recaches": Part("scalar"),
        }  # fmt: skip
        self.fail_at: str | None = None
        self.reset()

    def identity(self) -> ModelIdentity:
        """`weights_seed` and the sizes."""
        digest = hashlib.sha256(f"rolling {self.weights_seed}".encode()).hexdigest()
        sampler = {"capacity": self.capacity, "sink": self.sink, "block": self.block, "ring": self.ring}
        return ModelIdentity("rolling toy", digest, "float32", "explicit", "cpu", sampler, {"torch": torch.__version__})

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """Nearest neighbour."""
        rows, columns = (np.arange(SIZE) * length // SIZE for length in image.shape[:2])
        return np.ascontiguousarray(image[rows][:, columns])

    def reset(self) -> None:
        """Empty buffers, the very same ones if they are there."""
        shape = (1, self.capacity * TOKENS, HEADS, HEAD_DIM)
        with self._mode():
            if not hasattr(self, "k"):
                self.k, self.v = ([torch.zeros(shape) for _ in range(LAYERS)] for _ in range(2))
                self.memory = torch.zeros(WIDTH)
            self.memory.zero_()
        self.noise = torch.Generator().manual_seed(0)
        self.recent: list[Tensor] = []
        self.written = self.filled = self.recaches = 0

    def export_state(self) -> State:
        """The buffers themselves."""
        names = ("k", "v", "memory", "written", "filled", "recaches")
        return {name: getattr(self, name) for name in names} | {
            "recent": list(self.recent), "noise": self.noise.get_state()
        }  # fmt: skip

    def load_state(self, state: State) -> None:
        """All but the buffers."""
        for name in ("written", "filled", "recaches"):
            setattr(self, name, state[name])
        self.recent = list(state["recent"])  # type: ignore[arg-type]
        self.noise.set_state(state["noise"])  # type: ignore[arg-type]

    @torch.no_grad()
    def step(self, given: StepInput) -> StepOutput:
        """Draw a block, read the caches, write the block into them."""
        with self._mode():
            if given.begins:
                self.noise.manual_seed(given.seed)
                if given.picture is not None:
                    self.memory += float(given.picture.mean()) / 255
            if given.prompt_mode == "recache":
                self._recache(given)
            x = torch.randn(1, self.block, CHANNELS, GRID, GRID, generator=self.noise)
            steer = 0.0 if given.action is None else torch.from_numpy(given.action).mean(0) @ self._weights["action"]
            y = self._read(x, given.prompt, steer)
            latents = x * given.settings.get("gain", 0.5) + (y @ self._weights["out"]).view(x.shape).tanh()
            self._maybe_fail("read")
            if self.abilities.streams:
                self._show(latents, given)
            self._write(latents, given.prompt)
            self._maybe_fail("write")
        latents = latents.clone()
        self.recent = [*self.recent, latents][-self._keeps :]
        return StepOutput(self._frames(latents), latents if self.vae else None)

    def _show(self, latents: Tensor, given: StepInput) -> None:
        """The pictures of one latent after the other, before the block is written; in one array, overwritten."""
        picture = np.zeros((SPAN, SIZE, SIZE, 3), np.uint8)
        for at in range(self.block):
            picture[:] = self._frames(latents[:, at : at + 1])
            given.hand_on(picture)

    @property
    def _keeps(self) -> int:
        return -(-self.capacity // self.block)

    @torch.no_grad()
    def rebuild(self, past: Iterable[PastStep]) -> None:
        """Write every block again; the generator's state is not a cache and comes with the snapshot."""
        with self._mode():
            for step in past:
                if step.given.begins:
                    self.reset()
                    self.memory += 0 if step.given.picture is None else float(step.given.picture.mean()) / 255
                if step.given.prompt_mode == "recache":
                    self._recache(step.given)
                assert step.latents is not None
                self._write(step.latents, step.given.prompt)
                self.recent = [*self.recent, step.latents][-self._keeps :]

    def _recache(self, given: StepInput) -> None:
        """The window's blocks again, under the new prompt: old entries change."""
        if self.ring:
            raise InvalidRequest("A ring is not recached.", hint="Use keep or reset.")
        blocks, self.recent = list(self.recent), []
        self.written = self.filled = 0
        self.recaches += 1
        for block in blocks:
            self._write(block, given.prompt)
            self.recent = [*self.recent, block]

    def _tokens(self, latents: Tensor, prompt: str, extra: Tensor | float = 0.0) -> Tensor:
        text = torch.tensor(list(hashlib.sha256(prompt.encode()).digest())) / 255 @ self._weights["text"]
        flat = latents[0].reshape(-1, CHANNELS, GRID, TOKENS).permute(0, 3, 1, 2).reshape(-1, WIDTH)
        return flat @ self._weights["in"] + text + extra + self.memory

    def _layer(self, i: int, x: Tensor, used: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (x @ self._weights[f"qkv{i}"]).view(len(x), 3, HEADS, HEAD_DIM).unbind(1)
        keys = torch.cat([self._in_order(self.k[i])[:used], k]).transpose(0, 1)
        values = torch.cat([self._in_order(self.v[i])[:used], v]).transpose(0, 1)
        weights = (q.transpose(0, 1) @ keys.transpose(1, 2) / HEAD_DIM**0.5).softmax(-1)
        x = x + (weights @ values).transpose(0, 1).reshape(len(x), WIDTH)
        return x / x.square().mean(-1, keepdim=True).add(1e-6).sqrt(), k, v

    def _in_order(self, buffer: Tensor) -> Tensor:
        """A ring's entries, oldest first after the sink."""
        sink, room = self.sink * TOKENS, (self.capacity - self.sink) * TOKENS
        if not self.ring or self.written <= self.capacity * TOKENS:
            return buffer[0]
        first = (self.written - sink) % room
        places = sink + (first + torch.arange(room)) % room
        return torch.cat([buffer[0, :sink], buffer[0, places]])

    def _used(self) -> int:
        return min(self.written, self.capacity * TOKENS) if self.ring else self.filled

    def _read(self, x: Tensor, prompt: str, steer: Tensor | float) -> Tensor:
        y = self._tokens(x, prompt, steer)
        for i in range(LAYERS):
            y, _, _ = self._layer(i, y, self._used())
        return y

    def _write(self, latents: Tensor, prompt: str) -> None:
        """Keys and values of a block into the buffers, at their places; the memory is overwritten where it lies."""
        y, made = self._tokens(latents, prompt), []
        for i in range(LAYERS):
            y, k, v = self._layer(i, y, self._used())
            made.append((k, v))
        count, limit, sink = len(y), self.capacity * TOKENS, self.sink * TOKENS
        if self.ring:
            entries = self.written + torch.arange(count)
            places = torch.where(entries < limit, entries, sink + (entries - sink) % (limit - sink))
        else:
            over = max(0, self.filled + count - limit)
            places = torch.arange(self.filled - over, self.filled - over + count)
        for i, (k, v) in enumerate(made):
            for buffer, new in ((self.k[i], k), (self.v[i], v)):
                if not self.ring and over:
                    buffer[:, sink : self.filled - over] = buffer[:, sink + over : self.filled].clone()
                buffer[0, places] = new
            self._maybe_fail("half")
        self.written += count
        self.filled = min(self.filled + count, limit)
        self.memory.mul_(0.5).add_(y.mean(0))

    def _frames(self, latents: Tensor) -> np.ndarray:
        z = latents[0, :, :3].float().permute(0, 2, 3, 1).repeat_interleave(SPAN, 0)
        pixels = (z * 60 + 128).round().clamp(0, 255).to(torch.uint8)
        return pixels.repeat_interleave(SIZE // GRID, 1).repeat_interleave(SIZE // GRID, 2).numpy()

    def _maybe_fail(self, place: str) -> None:
        if self.fail_at == place:
            self.fail_at = None
            raise RuntimeError(f"broken at {place}")


class Forgetful(RollingToy):
    """Declares that its memory is replaced, and writes it in place."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.parts = self.parts | {"memory": Part("replaced")}

    def load_state(self, state: State) -> None:
        """Takes the memory as it is given."""
        super().load_state(state)
        self.memory = state["memory"]  # type: ignore[assignment]


class Rewriting(RollingToy):
    """Rewrites old entries of its cache without saying so."""

    def _write(self, latents: Tensor, prompt: str) -> None:
        super()._write(latents, prompt)
        self.k[0][:, :TOKENS] *= 0.9


class Hiding(RollingToy):
    """Reads a generator that it does not declare."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.parts = {name: part for name, part in self.parts.items() if name != "noise"}

    def load_state(self, state: State) -> None:
        """Without the generator."""
        super().load_state({**state, "noise": self.noise.get_state()})


def small(model: RollingToy, **sizes: object) -> RollingToy:
    """The model with other sizes in its geometry than it has."""
    model.geometry = replace(model.geometry, **sizes)  # type: ignore[arg-type]
    return model


def load(device: str = "cpu") -> RollingToy:
    """For `python:tests.support.rolling_model:load`."""
    assert device == "cpu"
    return RollingToy(controls=True)


def load_plain(device: str = "cpu") -> RollingToy:
    """Without actions, pictures and a VAE."""
    assert device == "cpu"
    return RollingToy(vae=False)


def _weights(seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    sizes = {"in": (WIDTH, WIDTH), "out": (WIDTH, WIDTH), "text": (32, WIDTH), "action": (len(KEYS), WIDTH)}
    sizes |= {f"qkv{i}": (WIDTH, 3 * WIDTH) for i in range(LAYERS)}
    return {name: torch.randn(*size, generator=g) * 1.5 / size[0] ** 0.5 for name, size in sizes.items()}
