"""The model contract around a loaded Matrix-Game 2 pipeline.

Facts it stands on: docs/how-to/matrix-game.md. Nothing of the pipeline is patched: caches are reached through its
attributes, calls go through its generator, in the order of its own inference loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from math import gcd
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.base.present import present
from arc_fabric.errors import InvalidRequest, ModelUnavailable
from arc_fabric.models.contract import Abilities, Geometry, ModelIdentity, Part, PastStep, State, StepInput, StepOutput
from arc_fabric.models.matrixgame.controls import KEYS, REST, controls_of
from arc_fabric.models.matrixgame.identity import identity_of_pipeline

FPS = 25.0
SPAN, VAE_FACTOR = 4, 8
"""Video frames per latent frame after the first, and pixels per latent on a side."""
_SCALARS = ("written", "filled", "acted", "acted_filled", "frames")
_REPLACED = ("scene", "look", "keyboard", "mouse")
_TILES = {"tiled": True, "tile_size": [44, 80], "tile_stride": [23, 38]}
"""As its own `inference.py` encodes the first picture."""


class MatrixGameModel:
    """A `DeclaredModel`. A step is one block; its noise follows from its seed and number. It has no text: prompts are
    kept, and change nothing."""

    def __init__(
        self, pipeline: Any, encoder: Any, *, mode: str, frames: int, image_size: tuple[int, int],
        device: str | torch.device, weights_digest: str, files: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`encoder` makes latents and features of the first picture (its VAE and CLIP); `frames`: how many latent
        frames it is prepared for, which is how long a world can be."""
        self.pipeline, self.encoder, self.device, self.mode = pipeline, encoder, torch.device(device), mode
        self._dit, self._block = pipeline.generator.model, int(pipeline.num_frame_per_block)
        self._tokens = int(pipeline.frame_seq_length)
        self._dtype = next(pipeline.generator.parameters()).dtype
        self._acting = [i for i, block in enumerate(self._dit.blocks) if block.action_model is not None]
        self._has_mouse = mode != "templerun"
        self._length = min(frames, len(self._dit.freqs))
        if mode not in KEYS or self._block < 2 or not self._acting:
            raise ModelUnavailable(
                f"Mode {mode!r}, {self._block} latent frames a block, {len(self._acting)} blocks with actions: not a "
                "pipeline that this adapter knows.",
                hint=f"Modes are {', '.join(KEYS)}; blocks of its releases have three latent frames.",
            )
        action = self._dit.blocks[self._acting[0]].action_model
        self._recalled = SPAN * (self._block - 1 + int(action.windows_size)) + 1
        """Video frames whose actions a block reads, its own included."""
        self._slots = int(pipeline.vae_decoder.decoder.decoder_conv_num)
        self.reset()
        capacity = pipeline.kv_cache1[0]["k"].shape[1] // self._tokens
        sink = int(self._dit.blocks[0].self_attn.sink_size)
        self.parts = _parts(self._tokens, capacity, sink, self._block, self._has_mouse)
        self.abilities = Abilities(
            steers_with_actions=True, batches=False, batch_bit_exact=False, rebuilds_kv=False, predicts_actions=False,
            rebuilds_world=True, streams=True,
        )  # fmt: skip
        self.geometry = _geometry(self, image_size)
        self._identity = identity_of_pipeline(pipeline, mode, self._length, weights_digest, self.device, files)

    def identity(self) -> ModelIdentity:
        """Everything that can change a bit (see `identity`)."""
        return self._identity

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """The largest part of its middle that has the video's shape, bilinear to the video's size."""
        height, width = self.geometry.image_height, self.geometry.image_width
        tall, wide = image.shape[:2]
        tall, wide = (tall, tall * width // height) if tall * width < wide * height else (wide * height // width, wide)
        top, left = (image.shape[0] - tall) // 2, (image.shape[1] - wide) // 2
        pixels = torch.from_numpy(np.array(image[top : top + tall, left : left + wide])).permute(2, 0, 1)[None].float()
        fitted = torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)
        return fitted[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()

    def reset(self) -> None:
        """Counters to zero; buffers are made once and stay."""
        if self.pipeline.kv_cache1 is None:
            sizes = {"batch_size": 1, "dtype": self._dtype, "device": self.device}
            self.pipeline._initialize_kv_cache(**sizes)
            self.pipeline._initialize_kv_cache_mouse_and_keyboard(**sizes)
            self.pipeline._initialize_crossattn_cache(**sizes)
        self.scene: Tensor | None = None
        self.look: Tensor | None = None
        self.keyboard: Tensor | None = None
        self.mouse: Tensor | None = None
        self.decoder: list[Tensor] = []
        self.frames = 0
        self._point(0, 0, 0, 0)

    def export_state(self) -> State:
        """The pipeline's buffers; cross-attention caches follow from `look`."""
        pipeline = self.pipeline
        caches = {"": pipeline.kv_cache1} | {f"{name}_": cache for name, cache in self._action_caches().items()}
        kv = {f"{name}{kind}": [cache[kind] for cache in found] for name, found in caches.items() for kind in "kv"}
        first, acting = pipeline.kv_cache1[0], self._action_caches()["keyboard"][0]
        counters = [int(cache[end]) for cache in (first, acting) for end in ("global_end_index", "local_end_index")]
        state = dict(zip(_SCALARS, [*counters, self.frames], strict=True)) | kv | {"decoder": list(self.decoder)}
        return state | {name: getattr(self, name) for name in _REPLACED if name in self.parts}

    def load_state(self, state: State) -> None:
        """All but the buffers; what is read in the first picture is read again."""
        *counters, self.frames = (int(state[name]) for name in _SCALARS)  # type: ignore[arg-type]
        for name in _REPLACED:
            setattr(self, name, state.get(name))
        self.decoder = list(state["decoder"])  # type: ignore[arg-type]
        self._point(*counters)

    @torch.no_grad()
    def step(self, given: StepInput) -> StepOutput:
        """One block: the denoising steps; its pictures are shown; then the clean block once more for the caches."""
        condition = self._begin(given)
        noise = torch.Generator(self.device).manual_seed(_noise_seed(given.seed, given.step))
        latents = self._denoise(condition, noise)
        frames = self._decode(latents)
        given.hand_on(frames)
        self._read_clean(latents, condition)
        self.frames += self._block
        return StepOutput(frames, latents.transpose(1, 2))

    @torch.no_grad()
    def rebuild(self, past: Iterable[PastStep]) -> None:
        """Every block read clean once more, under its actions: what the denoising steps wrote, that overwrote."""
        for step in past:
            if step.given.begins:
                self.reset()
            condition = self._begin(step.given)
            latents = present(step.latents).to(self.device, self._dtype).transpose(1, 2).contiguous()
            self._read_clean(latents, condition)
            self.frames += self._block

    def _action_caches(self) -> dict[str, list[Any]]:
        """Of the blocks that have actions; the pipeline makes them for all."""
        names = ("keyboard", "mouse") if self._has_mouse else ("keyboard",)
        return {name: [getattr(self.pipeline, f"kv_cache_{name}")[i] for i in self._acting] for name in names}

    def _begin(self, given: StepInput) -> dict[str, Tensor]:
        """Take up the first picture and the actions; what the block is conditioned on."""
        if given.prompt_mode == "recache":
            raise InvalidRequest("Matrix-Game 2 reads no text: nothing can be read anew.", hint="Use keep or reset.")
        if given.begins:
            self._see(present(given.picture))
        if self.frames + self._block > self._length:
            raise InvalidRequest(
                f"The first picture was prepared for {self._length} latent frames, and the world has {self.frames}.",
                hint="Begin anew with prompt mode reset, or load the model with more frames.",
            )
        self._act(given.action)
        start, end = self.frames, self.frames + self._block
        condition: dict[str, Tensor] = {
            "cond_concat": present(self.scene)[:, :, start:end], "visual_context": present(self.look),
            "keyboard_cond": _at_the_end(present(self.keyboard), 1 + SPAN * (end - 1)),
        }  # fmt: skip
        if self._has_mouse:
            condition["mouse_cond"] = _at_the_end(present(self.mouse), 1 + SPAN * (end - 1))
        return condition

    def _see(self, picture: np.ndarray) -> None:
        """Latents of the picture and of the emptiness after it, and its features."""
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None, :, None].float() / 255
        image = ((pixels - 0.5) / 0.5).to(self.device, self._dtype)
        video = torch.cat([image, torch.zeros_like(image).repeat(1, 1, SPAN * (self._length - 1), 1, 1)], 2)
        latents = self.encoder.encode(video, device=self.device, **_TILES).to(self.device)
        mask = torch.ones_like(latents)
        mask[:, :, 1:] = 0
        self.scene = torch.cat([mask[:, :4], latents], 1).to(self._dtype)
        self.look = self.encoder.clip.encode_video(image).to(self.device, self._dtype)

    def _act(self, action: np.ndarray | None) -> None:
        """Add the actions of the block's video frames, of a world's first block one less per latent frame but one; of
        earlier ones those stay that a block reads."""
        keys = KEYS[self.mode]
        if action is None:
            action = np.tile([float(name == REST) for name in keys] + [0.0, 0.0] * self._has_mouse, (self._wide, 1))
        rows = torch.from_numpy(np.array(action, np.float32)).to(self.device, self._dtype)
        rows = rows[-(1 + SPAN * (self._block - 1)) :] if self.frames == 0 else rows
        self.keyboard = _added(self.keyboard, rows[:, : len(keys)], self._recalled)
        if self._has_mouse:
            self.mouse = _added(self.mouse, rows[:, len(keys) :], self._recalled)

    @property
    def _wide(self) -> int:
        return SPAN * self._block

    def _call(self, video: Tensor, condition: Mapping[str, Tensor], timestep: Tensor) -> Tensor:
        """The transformer's clean prediction, [1, C, F, h, w]; writes the caches."""
        pipeline = self.pipeline
        _, clean = pipeline.generator(
            noisy_image_or_video=video, conditional_dict=condition, timestep=timestep, kv_cache=pipeline.kv_cache1,
            kv_cache_mouse=pipeline.kv_cache_mouse, kv_cache_keyboard=pipeline.kv_cache_keyboard,
            crossattn_cache=pipeline.crossattn_cache, current_start=self.frames * self._tokens,
        )  # fmt: skip
        return clean  # type: ignore[no-any-return]

    def _denoise(self, condition: Mapping[str, Tensor], noise: torch.Generator) -> Tensor:
        count, steps, device = self._block, self.pipeline.denoising_step_list, self.device
        shape = self.geometry.latent_channels, count, self.geometry.latent_height, self.geometry.latent_width
        draw = {"generator": noise, "device": device, "dtype": self._dtype}
        video = torch.randn(1, *shape, **draw)
        for at, timestep in enumerate(steps):
            clean = self._call(video, condition, torch.ones([1, count], device=device, dtype=torch.int64) * timestep)
            if at < len(steps) - 1:
                flat = clean[0].transpose(0, 1)
                drawn = torch.randn(count, shape[0], *shape[2:], **draw)
                later = steps[at + 1] * torch.ones([count], device=device, dtype=torch.long)
                video = self.pipeline.scheduler.add_noise(flat, drawn, later).transpose(0, 1)[None]
        return clean

    def _read_clean(self, latents: Tensor, condition: Mapping[str, Tensor]) -> None:
        first = self.pipeline.denoising_step_list[0]
        like = torch.ones([1, self._block], device=self.device, dtype=torch.int64) * first
        self._call(latents, condition, torch.ones_like(like) * self.pipeline.args.context_noise)

    def _decode(self, latents: Tensor) -> np.ndarray:
        """uint8 [frames_per_step, H, W, 3]. A world's first latent frame makes one frame, which is shown four times."""
        cache = [*self.decoder, *[None] * (self._slots - len(self.decoder))]
        video, cache = self.pipeline.vae_decoder(latents.transpose(1, 2).half(), *cache)
        self.decoder = [tensor for tensor in cache if isinstance(tensor, Tensor)]
        frames = ((video[0].float() + 1) * 127.5).clamp(0, 255).to(torch.uint8)
        frames = torch.cat([frames[:1].expand(self._wide - len(frames), -1, -1, -1), frames])
        return frames.permute(0, 2, 3, 1).cpu().numpy()

    def _point(self, written: int, filled: int, acted: int, acted_filled: int) -> None:
        ends = [(self.pipeline.kv_cache1, written, filled)]
        ends += [(caches, acted, acted_filled) for caches in self._action_caches().values()]
        for caches, end, local in ends:
            for cache in caches:
                cache["global_end_index"] = torch.tensor([end], dtype=torch.long, device=self.device)
                cache["local_end_index"] = torch.tensor([local], dtype=torch.long, device=self.device)
        for cache in self.pipeline.crossattn_cache:
            cache["is_init"] = False


def _added(before: Tensor | None, rows: Tensor, most: int) -> Tensor:
    """[1, T, n]: the newest `most`."""
    return (rows[None] if before is None else torch.cat([before, rows[None]], 1))[:, -most:].clone()


def _at_the_end(rows: Tensor, length: int) -> Tensor:
    """Rows of a world's newest frames where its actions of all frames are expected; the earlier ones are not read."""
    earlier = rows.new_zeros(1, length - rows.shape[1], rows.shape[2])
    return torch.cat([earlier, rows], 1)


def _parts(tokens: int, capacity: int, sink: int, block: int, has_mouse: bool) -> dict[str, Part]:
    kv = Part(
        "rolling", layers=True, axis=1, unit=gcd(block, sink, capacity) * tokens, capacity=capacity * tokens,
        sink=sink * tokens, written="written", filled="filled", rebuilt="world",
    )  # fmt: skip
    acts = Part(
        "rolling", layers=True, axis=1, unit=gcd(block, capacity), capacity=capacity, written="acted",
        filled="acted_filled", rebuilt="world",
    )  # fmt: skip
    kinds = ("keyboard", "mouse") if has_mouse else ("keyboard",)
    parts = {"k": kv, "v": kv} | {f"{kind}_{name}": acts for kind in kinds for name in "kv"}
    parts |= dict.fromkeys(("scene", "look", *kinds), Part("replaced")) | {"decoder": Part("replaced", layers=True)}
    return parts | dict.fromkeys(_SCALARS, Part("scalar"))


def _geometry(model: MatrixGameModel, size: tuple[int, int]) -> Geometry:
    dit, controls = model.pipeline.generator.model, controls_of(model.mode)
    block = int(model.pipeline.num_frame_per_block)
    return Geometry(
        image_height=size[0], image_width=size[1], fps=FPS, frames_per_latent=SPAN, latents_per_block=block, window=0,
        latent_channels=dit.out_dim, latent_height=size[0] // VAE_FACTOR, latent_width=size[1] // VAE_FACTOR,
        tokens_per_latent=int(model.pipeline.frame_seq_length), layers=dit.num_layers, heads=dit.num_heads,
        head_dim=dit.dim // dit.num_heads, action_dim=len(controls), action_horizon=SPAN * block, state_dim=0,
        controls=controls,
    )  # fmt: skip


def _noise_seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:8], "little") >> 1
