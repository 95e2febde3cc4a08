"""The model contract around a loaded DreamZero VLA.

Facts it stands on: docs/how-to/dreamzero.md. Nothing of the VLA is patched: state is reached through the attributes of
`action_head`, calls go through `lazy_joint_video_action_causal`, a KV rebuild through the head's own prefill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import InvalidImage, InvalidRequest
from arc_fabric.models.contract import Abilities, Conditioning, Geometry, ModelIdentity
from arc_fabric.models.dreamzero.identity import identity_of_vla
from arc_fabric.models.dreamzero.policy import Transforms

FPS = 5.0
"""8 frames and 24 actions at 15 Hz per step."""
FRAMES_PER_LATENT = 4


class DreamZeroModel:
    """A `WorldModel` (see `arc_fabric.models.contract`) on one GPU (ip_size 1); `ranks` has it on two.

    Given actions do not steer it: they are recorded and the prediction ignores them.
    """

    abilities = Abilities(
        steers_with_actions=False, batches=False, batch_bit_exact=False, rebuilds_kv=True, observes=True,
        uses_crossattn_cache=False,
    )  # fmt: skip

    def __init__(
        self, vla: Any, transforms: Transforms, *, image_size: tuple[int, int], weights_digest: str,
        device: str | torch.device, files: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`image_size` is the (height, width) of what the VAE decodes to; `files` has digests of what the transforms
        were made from."""
        self.vla = vla
        self.action_head = vla.action_head
        self.device = torch.device(device)
        self.abilities = replace(type(self).abilities, imagines=not vla.action_head.config.decouple_inference_noise)
        self._transforms = transforms
        self.geometry = _geometry(vla, transforms, image_size)
        self._identity = identity_of_vla(vla, weights_digest, self.device, files)

    def identity(self) -> ModelIdentity:
        """Everything that can change a bit (see `identity`)."""
        return self._identity

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """One camera uint8 [h, w, 3], several [V, h, w, 3], or a picture of the model's own size, which is kept."""
        size = (self.geometry.image_height, self.geometry.image_width, 3)
        if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3:
            raise InvalidImage(f"Expected uint8 [h, w, 3] or [V, h, w, 3], got {image.dtype} {list(image.shape)}.")
        if image.shape == size:
            return np.ascontiguousarray(image)
        mosaic = self._transforms.compose(image[None] if image.ndim == 3 else image)
        if mosaic.shape == size:
            return mosaic
        pixels = torch.from_numpy(mosaic.copy()).permute(2, 0, 1)[None].float()
        fitted = torch.nn.functional.interpolate(pixels, size[:2], mode="bilinear", align_corners=False)
        return fitted[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()

    def make_inputs(
        self, frames: np.ndarray, prompt: str, *, action: np.ndarray | None = None, state: np.ndarray | None = None,
        embodiment_id: int = 0,
    ) -> dict[str, Tensor]:  # fmt: skip
        """The VLA's seven tensors, and the state in the robot's units for the actions that come back. `action` is
        not among them; the embodiment is the checkpoint's own."""
        inputs = self._transforms.condition(prompt, state)
        inputs["images"] = torch.from_numpy(np.ascontiguousarray(frames))[None]
        if state is not None:
            inputs["robot_state"] = torch.as_tensor(np.array(state, np.float32))
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    @torch.inference_mode()
    def lazy_joint_video_action_causal(
        self, inputs: dict[str, Tensor], latent_video: Tensor | None = None
    ) -> Mapping[str, Tensor]:
        """One step; `action_pred` float32 [1, horizon, action_dim] in the robot's units."""
        rest = {name: tensor for name, tensor in inputs.items() if name != "robot_state"}
        out = self.vla.lazy_joint_video_action_causal(rest, latent_video=latent_video)
        state = inputs["robot_state"].cpu().numpy() if "robot_state" in inputs else None
        return {"video_pred": out["video_pred"], "action_pred": self._transforms.actions(out["action_pred"], state)}

    @torch.inference_mode()
    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        """The VAE is causal and stateless: the whole prefix is decoded and cut."""
        head = self.action_head
        tiles = {"tile_size": (head.tile_size_height, head.tile_size_width),
                 "tile_stride": (head.tile_stride_height, head.tile_stride_width)}  # fmt: skip
        pixels = head.vae.decode(latents.to(self.device, torch.bfloat16), tiled=head.tiled, **tiles)
        frames = ((pixels[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        first = 0 if start == 0 else 1 + FRAMES_PER_LATENT * (start - 1)
        decoded: np.ndarray = frames[:, first:].permute(1, 2, 3, 0).cpu().numpy()
        return decoded

    @torch.inference_mode()
    def encode_observed(self, frames: np.ndarray) -> Tensor:
        """4, 8 or 9 real frames -> the pending block, as a call with these images and no latent_video encodes them."""
        head, counts = self.action_head, self.geometry.observed_counts
        span = FRAMES_PER_LATENT * self.geometry.latents_per_block
        if len(frames) not in counts:
            raise InvalidRequest(
                f"DreamZero takes {', '.join(map(str, counts))} observed frames, got {len(frames)}.",
                hint="Give the latest 4, as its own server does.",
            )
        stretched = frames if len(frames) > span else np.repeat(frames, span // len(frames), 0)
        video = stretched if len(frames) > span else np.concatenate([stretched[:1], stretched])
        pixels = torch.from_numpy(np.ascontiguousarray(video)).to(self.device).permute(0, 3, 1, 2).float() / 255
        pixels = head.normalize_video(pixels.to(head.dtype)).to(torch.bfloat16).transpose(0, 1)[None]
        tiles = {"tile_size": (head.tile_size_height, head.tile_size_width),
                 "tile_stride": (head.tile_stride_height, head.tile_stride_width)}  # fmt: skip
        latents: Tensor = head.vae.encode(pixels, tiled=head.tiled, **tiles)
        return latents[:, :, -self.geometry.latents_per_block :]

    @torch.inference_mode()
    def rebuild_kv(self, latents: Tensor, blocks: list[Conditioning]) -> None:
        """Prefill the anchor and every block again in the chunks of the step path, each under its prompt."""
        head, step = self.action_head, self.geometry.latents_per_block
        latents = latents.to(self.device, torch.bfloat16)
        starts = [0, *range(1, latents.shape[2], step)]
        if len(starts) != len(blocks):
            raise InvalidRequest(f"{latents.shape[2]} latents need {len(starts)} conditionings, got {len(blocks)}.")
        sizes = {"batch_size": 1, "dtype": torch.bfloat16, "device": self.device}
        caches = list(head._create_kv_caches(**sizes, frame_seqlen=self.geometry.tokens_per_latent))
        for start, block in zip(starts, blocks, strict=True):
            self._prefill(latents[:, :, start : start + (step if start else 1)], start, block.prompt, caches)
        head.kv_cache1, head.kv_cache_neg = caches

    def _prefill(self, latents: Tensor, start: int, prompt: str, caches: list[list[Tensor]]) -> None:
        head, count = self.action_head, latents.shape[2]
        texts = {name: tensor.to(self.device) for name, tensor in self._transforms.condition(prompt, None).items()}
        own = head._get_caches(caches)
        head._run_diffusion_steps(
            noisy_input=latents,
            timestep=torch.zeros(1, count, dtype=torch.int64, device=self.device),
            action=None,
            timestep_action=None,
            state=None,
            embodiment_id=None,
            context=[head.encode_prompt(*pair) for pair in head._prepare_text_inputs(texts)],
            seq_len=count * self.geometry.tokens_per_latent,
            y=head.ys[:, :, start : start + count],
            clip_feature=head.clip_feas,
            kv_caches=own,
            crossattn_caches=[[] for _ in own],
            kv_cache_metadata={"start_frame": start, "update_kv_cache": True},
        )

    def language_of(self, prompt: str) -> Tensor:
        """Token ids of the prompt in the checkpoint's template, int64 [1, 512]."""
        return self._transforms.condition(prompt, None)["text"].to(self.device)


def _geometry(vla: Any, transforms: Transforms, image_size: tuple[int, int]) -> Geometry:
    head, dit = vla.action_head, vla.action_head.model
    factor = head.vae.upsampling_factor
    return Geometry(
        image_height=image_size[0],
        image_width=image_size[1],
        fps=FPS,
        frames_per_latent=FRAMES_PER_LATENT,
        latents_per_block=head.num_frame_per_block,
        window=dit.local_attn_size,
        latent_channels=head.vae.z_dim,
        latent_height=image_size[0] // factor,
        latent_width=image_size[1] // factor,
        tokens_per_latent=dit.frame_seqlen,
        layers=dit.num_layers,
        heads=dit.num_heads,
        head_dim=dit.dim // dit.num_heads,
        action_dim=transforms.action_dim,
        action_horizon=head.action_horizon,
        state_dim=transforms.state_dim,
        cameras=transforms.cameras,
        observed_frames=FRAMES_PER_LATENT,
        observed_counts=_observed_counts(head.num_frame_per_block),
        action_names=transforms.action_names,
    )


def _observed_counts(latents_per_block: int) -> tuple[int, ...]:
    """How many real frames a step takes: as many as DreamZero's own server gives, a block, a block and a frame."""
    span = FRAMES_PER_LATENT * latents_per_block
    return FRAMES_PER_LATENT, span, span + 1
