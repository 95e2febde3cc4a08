"""The model contract around a loaded Self-Forcing-shaped pipeline.

Facts it stands on: docs/how-to/self-forcing.md. Nothing of the pipeline is patched: caches are reached through its
attributes, calls go through its generator, in the order of its own inference loop.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping
from math import gcd
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import InvalidRequest
from arc_fabric.models.contract import Abilities, Geometry, ModelIdentity, Part, PastStep, State, StepInput, StepOutput
from arc_fabric.models.selfforcing.identity import identity_of_pipeline

FPS = 16.0
FRAMES_PER_LATENT, VAE_FACTOR = 4, 8
DECODE_CONTEXT = 9
"""Latent frames before a block that the VAE sees when it decodes it."""
_SCALARS = ("written", "filled", "frames", "recaches")


class SelfForcingModel:
    """A `DeclaredModel`: a causal Wan pipeline. A step is one block; its noise follows from its seed and number."""

    def __init__(
        self, pipeline: Any, *, image_size: tuple[int, int], device: str | torch.device, weights_digest: str,
        decode_context: int = DECODE_CONTEXT, files: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`image_size` is the (height, width) of what the VAE decodes to; `files` has digests of the configuration."""
        self.pipeline, self.device, self.decode_context = pipeline, torch.device(device), max(1, decode_context)
        self._dit, self._block = pipeline.generator.model, int(pipeline.num_frame_per_block)
        self._protects = "sink_recache_after_switch" in inspect.signature(pipeline.generator.forward).parameters
        self._first_alone = bool(getattr(pipeline, "independent_first_frame", False))
        self._tokens = int(pipeline.frame_seq_length)
        self._dtype = next(pipeline.generator.parameters()).dtype
        self._conditions: dict[str, Any] = {}
        if hasattr(pipeline, "_set_all_modules_max_attention_size"):
            pipeline._set_all_modules_max_attention_size(pipeline.local_attn_size)
        self.reset()
        capacity = pipeline.kv_cache1[0]["k"].shape[1] // self._tokens
        sink = int(self._dit.blocks[0].self_attn.sink_size)
        self._capacity, self._rolls = capacity, int(pipeline.local_attn_size) != -1
        self.parts = _parts(self._tokens, capacity, sink, gcd(self._block, sink, capacity, int(self._takes_picture)))
        self.abilities = Abilities(
            steers_with_actions=False, batches=False, batch_bit_exact=False, rebuilds_kv=False, predicts_actions=False,
            rebuilds_world=not (self._protects and self._block < sink), needs_picture=self._first_alone, streams=True,
        )  # fmt: skip
        self.geometry = _geometry(pipeline, image_size, self._block, self._tokens)
        name = "longlive" if self._protects else "self-forcing"
        self._identity = identity_of_pipeline(pipeline, name, weights_digest, self.device, self.decode_context, files)

    def identity(self) -> ModelIdentity:
        """Everything that can change a bit (see `identity`)."""
        return self._identity

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """Bilinear, to the size of the video."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        size = self.geometry.image_height, self.geometry.image_width
        fitted = torch.nn.functional.interpolate(pixels, size, mode="bilinear", align_corners=False)
        return fitted[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()

    def reset(self) -> None:
        """Counters to zero; buffers are made once and stay, as in the pipeline's own loop."""
        if self.pipeline.kv_cache1 is None:
            sizes = {"batch_size": 1, "dtype": self._dtype, "device": self.device}
            self.pipeline._initialize_kv_cache(**sizes)
            self.pipeline._initialize_crossattn_cache(**sizes)
        self.recent: list[Tensor] = []
        self.frames = self.recaches = 0
        self._point(0, 0)

    def export_state(self) -> State:
        """The pipeline's buffers; cross-attention caches follow from the prompt."""
        caches = self.pipeline.kv_cache1
        kv = {name: [cache[name] for cache in caches] for name in ("k", "v")}
        written, filled = (int(caches[0][name]) for name in ("global_end_index", "local_end_index"))
        counters = {"written": written, "filled": filled, "frames": self.frames, "recaches": self.recaches}
        return {**kv, **counters, "recent": list(self.recent)}

    def load_state(self, state: State) -> None:
        """Counters and the window's latents; what is read in a prompt is read again."""
        written, filled, self.frames, self.recaches = (int(state[name]) for name in _SCALARS)  # type: ignore[arg-type]
        self.recent = list(state["recent"])  # type: ignore[arg-type]
        self._point(written, filled)

    @torch.no_grad()
    def step(self, given: StepInput) -> StepOutput:
        """One block: the denoising steps; its pictures are shown; then the clean block once more for the caches."""
        condition = self._begin(given)
        noise = torch.Generator(self.device).manual_seed(_noise_seed(given.seed, given.step))
        latents = self._denoise(condition, noise)
        frames = self._decode(latents)
        given.hand_on(frames)
        self._read_clean(latents, condition)
        self._remember(latents)
        return StepOutput(frames, latents)

    @torch.no_grad()
    def rebuild(self, past: Iterable[PastStep]) -> None:
        """Every block read clean once more, in order: what the denoising steps wrote, that overwrote."""
        for step in past:
            if step.given.begins:
                self.reset()
            condition = self._begin(step.given)
            assert step.latents is not None
            latents = step.latents.to(self.device, self._dtype)
            self._read_clean(latents, condition)
            self._remember(latents)

    @property
    def _takes_picture(self) -> bool:
        """Whether a world can begin from one latent frame that is given."""
        return self._first_alone or self._block == 1

    def _begin(self, given: StepInput) -> Any:
        """Bring caches and prompt to where the block begins; what the prompt says to the transformer."""
        condition = self._condition(given.prompt)
        if given.begins or given.prompt_mode is not None:
            self._unread()
        if given.prompt_mode == "recache":
            self._recache(condition)
        if given.begins and given.picture is not None and self._takes_picture:
            self._prefill(given.picture, condition)
        if not self._rolls and self.frames + self._block > self._capacity:
            raise InvalidRequest(
                f"The cache of this pipeline holds {self._capacity} latent frames and is full.",
                hint="Set local_attn_size, so that it rolls; or begin anew with prompt mode reset.",
            )
        return condition

    def _condition(self, prompt: str) -> Any:
        if prompt not in self._conditions:
            while len(self._conditions) >= 8:
                self._conditions.pop(next(iter(self._conditions)))
            self._conditions[prompt] = self.pipeline.text_encoder(text_prompts=[prompt])
        return self._conditions[prompt]

    def _call(self, video: Tensor, condition: Any, timestep: Tensor, start: int, **more: Any) -> Tensor:
        """The transformer's clean prediction, [1, F, C, h, w], for frames that begin at `start`; writes the caches."""
        pipeline = self.pipeline
        _, clean = pipeline.generator(
            noisy_image_or_video=video, conditional_dict=condition, timestep=timestep, kv_cache=pipeline.kv_cache1,
            crossattn_cache=pipeline.crossattn_cache, current_start=start * self._tokens, **more,
        )  # fmt: skip
        return clean  # type: ignore[no-any-return]

    def _denoise(self, condition: Any, noise: torch.Generator) -> Tensor:
        count, steps, scheduler = self._block, self.pipeline.denoising_step_list, self.pipeline.scheduler
        geometry, device = self.geometry, self.device
        shape = (count, geometry.latent_channels, geometry.latent_height, geometry.latent_width)
        draw = {"generator": noise, "device": device, "dtype": self._dtype}
        video = torch.randn(1, *shape, **draw)
        for at, timestep in enumerate(steps):
            times = torch.ones([1, count], device=device, dtype=torch.int64) * timestep
            clean = self._call(video, condition, times, self.frames)
            if at < len(steps) - 1:
                later = steps[at + 1] * torch.ones([count], device=device, dtype=torch.long)
                video = scheduler.add_noise(clean.flatten(0, 1), torch.randn(shape, **draw), later).unflatten(
                    0, (1, -1)
                )
        return clean

    def _read_clean(self, latents: Tensor, condition: Any) -> None:
        self._call(latents, condition, self._times(latents, self.pipeline.args.context_noise), self.frames)

    def _times(self, latents: Tensor, value: float) -> Tensor:
        """As the pipeline makes them: a sampler's timesteps, times zero, and the noise of clean context."""
        first = self.pipeline.denoising_step_list[0]
        like = torch.ones(latents.shape[:2], device=self.device, dtype=torch.int64) * first
        return torch.ones_like(like) * value

    def _prefill(self, picture: np.ndarray, condition: Any) -> None:
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None, :, None].to(self.device)
        latents = self.pipeline.vae.encode_to_latent((pixels / 127.5 - 1).to(self._dtype)).to(self._dtype)
        zero = torch.ones([1, 1], device=self.device, dtype=torch.int64) * 0
        self._call(latents, condition, zero, 0)
        self._remember(latents)

    def _recache(self, condition: Any) -> None:
        """The window's frames read again under the new prompt, in one pass, as LongLive does after a switch."""
        count = min(self._capacity, self.frames)
        stays = bool(getattr(self.pipeline, "global_sink", False))
        for cache in () if stays else self.pipeline.kv_cache1:
            cache["k"].zero_()
            cache["v"].zero_()
        latents = torch.cat(self.recent, 1)[:, -count:]
        noise = self.pipeline.args.context_noise
        times = torch.ones([1, count], device=self.device, dtype=torch.int64) * noise
        more = {"sink_recache_after_switch": not stays} if self._protects else {}
        self._call(latents, condition, times, self.frames - count, **more)
        self._unread()
        self.recaches += 1

    def _remember(self, latents: Tensor) -> None:
        self.frames += latents.shape[1]
        self.recent.append(latents)
        keep = max(self._capacity, self.decode_context)
        while sum(block.shape[1] for block in self.recent[1:]) >= keep:
            self.recent = self.recent[1:]

    def _decode(self, latents: Tensor) -> np.ndarray:
        """uint8 [frames_per_step, H, W, 3]. A world's first latent frame makes one frame, which is shown four times."""
        before = torch.cat([*self.recent, latents], 1)[:, -(self.decode_context + self._block) :]
        video = (self.pipeline.vae.decode_to_pixel(before, use_cache=False)[0] * 0.5 + 0.5).clamp(0, 1)
        frames = (255 * video.float()).round().to(torch.uint8)[-self.geometry.frames_per_step :]
        missing = self.geometry.frames_per_step - len(frames)
        frames = torch.cat([frames[:1].expand(missing, -1, -1, -1), frames])
        return frames.permute(0, 2, 3, 1).cpu().numpy()

    def _point(self, written: int, filled: int) -> None:
        for cache in self.pipeline.kv_cache1:
            cache["global_end_index"] = torch.tensor([written], dtype=torch.long, device=self.device)
            cache["local_end_index"] = torch.tensor([filled], dtype=torch.long, device=self.device)
        self._unread()

    def _unread(self) -> None:
        for cache in self.pipeline.crossattn_cache:
            cache["is_init"] = False


def _parts(tokens: int, capacity: int, sink: int, unit: int) -> dict[str, Part]:
    kv = Part(
        "rolling", layers=True, axis=1, unit=unit * tokens, capacity=capacity * tokens, sink=sink * tokens,
        written="written", filled="filled", epoch="recaches", rebuilt="world",
    )  # fmt: skip
    scalars = dict.fromkeys(_SCALARS, Part("scalar"))
    return {"k": kv, "v": kv, "recent": Part("replaced", layers=True), **scalars}


def _geometry(pipeline: Any, size: tuple[int, int], block: int, tokens: int) -> Geometry:
    dit = pipeline.generator.model
    return Geometry(
        image_height=size[0], image_width=size[1], fps=FPS, frames_per_latent=FRAMES_PER_LATENT,
        latents_per_block=block, window=0, latent_channels=dit.out_dim, latent_height=size[0] // VAE_FACTOR,
        latent_width=size[1] // VAE_FACTOR, tokens_per_latent=tokens, layers=dit.num_layers, heads=dit.num_heads,
        head_dim=dit.dim // dit.num_heads, action_dim=0, action_horizon=0, state_dim=0,
    )  # fmt: skip


def _noise_seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:8], "little") >> 1
