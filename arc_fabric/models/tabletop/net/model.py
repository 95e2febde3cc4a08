"""The tabletop model behind DreamZero's surface.

>>> model = TabletopModel.load()
>>> frame, state = samples()["cup-and-block"], sample_state("cup-and-block")
>>> out = model.lazy_joint_video_action_causal(model.make_inputs(frame[None], "pick up the red cup", state=state))
>>> model.decode(out["video_pred"]).shape
(9, 64, 64, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import InvalidRequest, ModelUnavailable
from arc_fabric.models.contract import Abilities, Conditioning, ModelIdentity
from arc_fabric.models.tabletop.net.dit import CausalDiT, Prompts
from arc_fabric.models.tabletop.net.graphs import Graph
from arc_fabric.models.tabletop.net.head import ActionHead, row_of, same_prompt
from arc_fabric.models.tabletop.net.inputs import (
    checked_frames,
    checked_values,
    fit_image,
    language_inputs,
    told_state,
    unit_actions,
)
from arc_fabric.models.tabletop.net.sampler import HORIZON, BlockInputs, Sampler, SamplerSettings, block_noise
from arc_fabric.models.tabletop.net.surface import WINDOW, geometry_of, identity_of
from arc_fabric.models.tabletop.net.text import LENGTH, token_ids
from arc_fabric.models.tabletop.net.threads import one_thread
from arc_fabric.models.tabletop.net.tokens import BLOCK
from arc_fabric.models.tabletop.net.vae import CausalVAE, to_pixels
from arc_fabric.models.tabletop.net.weights import WEIGHTS, digest, load_part
from arc_fabric.models.tabletop.samples import sample_state, samples
from arc_fabric.models.tabletop.world.limits import SIZE


class TabletopModel:
    """A `WorldModel` (see `arc_fabric.models.contract`): small, trained, deterministic, float32."""

    abilities = Abilities(
        steers_with_actions=True,
        batches=True,
        batch_bit_exact=True,
        rebuilds_kv=True,
        observes=True,
        uses_crossattn_cache=False,
        settings=SamplerSettings().declared(),
    )

    def __init__(
        self,
        vae: CausalVAE,
        dit: CausalDiT,
        *,
        device: str | torch.device = "cpu",
        sampler: SamplerSettings | None = None,
        weights_digest: str = "untrained",
        recorded: bool = True,
    ) -> None:
        """With `recorded`, steps run as graphs (`graphs.py`), else as plain calls with the same bits."""
        self.device = torch.device(device)
        self.dit = dit.to(self.device).eval().requires_grad_(False)
        vae = vae.to(self.device).eval().requires_grad_(False)
        self.action_head = ActionHead(vae)
        self.sampler = sampler or SamplerSettings()
        self._sample = Sampler(self.dit, self.sampler, recorded=recorded)
        self._heard: tuple[Tensor, Prompts] | None = None
        self._encode = Graph(vae.encode_groups, recorded=recorded)
        self._decode = Graph(vae.decode, recorded=recorded)
        self.exact_batches = True
        """True: rows of a batch are computed one by one, with the bits of a step alone. False: one forward pass for
        all rows, faster, equal to rounding."""
        self.abilities = replace(type(self).abilities, settings=self.sampler.declared())
        self.geometry = geometry_of(dit.shape)
        self._identity = identity_of(weights_digest, self.device, self.sampler)

    @classmethod
    def load(cls, path: Path = WEIGHTS, *, device: str | torch.device = "cpu", recorded: bool = True) -> TabletopModel:
        """Load the weights that ship with the package, or those in `path`."""
        if not path.exists():
            raise ModelUnavailable(
                f"The tabletop weights {path} do not exist.",
                hint="Reinstall the package, or train: python -m arc_fabric.models.tabletop.train",
            )
        vae, dit = CausalVAE(), CausalDiT()
        vae.load_state_dict(load_part(path, "vae"))
        dit.load_state_dict(load_part(path, "dit"))
        return cls(vae, dit, device=device, weights_digest=digest(path), recorded=recorded)

    @property
    def on_compute(self) -> Callable[[], None]:
        """See `arc_fabric.models.contract`."""
        return self._sample.on_compute

    @on_compute.setter
    def on_compute(self, told: Callable[[], None]) -> None:
        self._sample.on_compute = told

    def identity(self) -> ModelIdentity:
        """What must be equal for restored states to continue with the same bits."""
        return self._identity

    def samples(self) -> dict[str, np.ndarray]:
        """Initial frames that ship with the model: name -> uint8 [64, 64, 3]."""
        return samples()

    def sample_state(self, name: str) -> np.ndarray:
        """Proprioceptive state float32 [4] that belongs to a sample frame."""
        return sample_state(name)

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """uint8 RGB [h, w, 3] of any size -> its middle square as uint8 [64, 64, 3]."""
        return fit_image(image)

    def language_of(self, prompt: str) -> Tensor:
        """Word ids of a prompt, int64 [1, L]."""
        return torch.from_numpy(token_ids(prompt))[None].to(self.device)

    def make_inputs(
        self,
        frames: np.ndarray,
        prompt: str,
        *,
        action: np.ndarray | None = None,
        state: np.ndarray | None = None,
        embodiment_id: int = 0,
    ) -> dict[str, Tensor]:
        """The tensors of a call for one session: frames uint8 [T, 64, 64, 3], action float32 [8, 4] in pixels per
        frame and grip, or None (the policy acts), state float32 [4] or None (not told).
        Rows of several sessions can be joined with `torch.cat` per key."""
        inputs = language_inputs(self.language_of(prompt), embodiment_id)
        inputs["images"] = torch.from_numpy(checked_frames(frames))[None]
        if state is not None:
            inputs["state"] = checked_values(state, (self.geometry.state_dim,), "state")[None, None]
        if action is not None:
            inputs["action"] = checked_values(action, (HORIZON, self.geometry.action_dim), "action")[None]
        return {name: value.to(self.device) for name, value in inputs.items()}

    @torch.inference_mode()
    def lazy_joint_video_action_causal(
        self, inputs: Mapping[str, Tensor], latent_video: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step. Returns `video_pred` float32 [B, C, 2 (3 on a new window), 8, 8] and `action_pred` float32
        [B, 8, 4] in pixels per frame and grip. Without `latent_video`, within a window, the last 8 of the
        images given stand for the pending block."""
        if len(inputs["text"]) > 1 and not self.exact_batches:
            return self._step(inputs, latent_video)
        with one_thread():
            return self._step(inputs, latent_video)

    def _step(self, inputs: Mapping[str, Tensor], latent_video: Tensor | None) -> dict[str, Tensor]:
        head, text = self.action_head, inputs["text"]
        fresh = (
            inputs["images"].shape[1] == 1
            or not same_prompt(head.language, text)
            or head.current_start_frame >= self.geometry.window
        )
        if fresh:
            self._start_window(inputs)
            pending = None
        else:
            pending = self._pending(inputs, latent_video)
        rows = len(text)
        if rows > 1 and self.exact_batches:
            return self._row_by_row(inputs, pending, rows)
        return self._advance(head, inputs, pending, self._seeds(rows))

    def _seeds(self, rows: int) -> list[int]:
        seed = self.action_head.seed
        seeds = list(seed) if isinstance(seed, Sequence) else [seed] * rows
        if len(seeds) != rows:
            raise InvalidRequest(f"A batch of {rows} rows needs {rows} seeds; action_head.seed holds {len(seeds)}.")
        return seeds

    def _start_window(self, inputs: Mapping[str, Tensor]) -> None:
        """The automatic reset: forget everything, encode the (last) image given."""
        head, text = self.action_head, inputs["text"]
        head.drop_caches()
        images = inputs["images"][:, -1:]
        anchor = torch.cat([self._encode_video(images[n : n + 1])[:, :, 0] for n in range(len(images))])
        head.language = text.clone()
        head.clip_feas = anchor.flatten(2)
        head.ys = torch.zeros(len(text), 1, WINDOW, 1, 1, device=self.device)
        head.ys[:, :, 0] = 1
        shape = self.dit.shape
        for name in ("crossattn_cache", "crossattn_cache_neg"):
            zeros = torch.zeros(2, len(text), LENGTH, shape.heads, shape.head_dim, device=self.device)
            setattr(head, name, [zeros] * self.geometry.layers)

    def _encode_video(self, video: Tensor) -> Tensor:
        """Frames uint8 [B, 1 + 4 n, 64, 64, 3] -> latents [B, C, 1 + n, 8, 8]."""
        groups = self.action_head.vae.groups_of(video)
        latents = self._encode(groups.flatten(0, 1)).unflatten(0, groups.shape[:2])
        return latents.transpose(1, 2)

    def _pending(self, inputs: Mapping[str, Tensor], latent_video: Tensor | None) -> Tensor:
        """Latents [B, C, 2, 8, 8] of the block that is not in the KV yet."""
        if latent_video is not None:
            if latent_video.ndim != 5 or latent_video.shape[2] < BLOCK:
                raise InvalidRequest(
                    f"latent_video must be the previous video_pred, [B, C, {BLOCK} or more, h, w]; "
                    f"got {list(latent_video.shape)}."
                )
            return latent_video[:, :, -BLOCK:].to(self.device, torch.float32)
        images = inputs["images"]
        if images.shape[1] < HORIZON:
            raise InvalidRequest(
                f"Within a window give latent_video, or the last {HORIZON} real frames as images; "
                f"got {images.shape[1]} frames."
            )
        video = torch.cat([images[:, :1], images[:, -HORIZON:]], 1)
        return self._encode_video(video)[:, :, 1:]

    @one_thread()
    @torch.inference_mode()
    def encode_observed(self, frames: np.ndarray) -> Tensor:
        """Real frames uint8 [T, 64, 64, 3], T >= 8, the last 8 of which stand for the pending block -> its latents."""
        return self._pending({"images": torch.from_numpy(np.ascontiguousarray(frames))[None].to(self.device)}, None)

    def _row_by_row(self, inputs: Mapping[str, Tensor], pending: Tensor | None, rows: int) -> dict[str, Tensor]:
        head, seeds = self.action_head, self._seeds(rows)
        singles, outputs = [], []
        for row in range(rows):
            single = row_of(head, row)
            one = {key: value[row : row + 1] for key, value in inputs.items()}
            part = None if pending is None else pending[row : row + 1]
            outputs.append(self._advance(single, one, part, seeds[row : row + 1]))
            singles.append(single)
        head.kv_cache1 = [torch.cat(layer, 1) for layer in zip(*(s.kv_cache1 for s in singles), strict=True)]
        head.kv_cache_neg = [torch.cat(layer, 1) for layer in zip(*(s.kv_cache_neg for s in singles), strict=True)]
        head.current_start_frame = singles[0].current_start_frame
        return {key: torch.cat([output[key] for output in outputs]) for key in outputs[0]}

    def _advance(
        self, head: ActionHead, inputs: Mapping[str, Tensor], pending: Tensor | None, seeds: list[int]
    ) -> dict[str, Tensor]:
        """Write the anchor or pending block into the KV, then denoise the next block."""
        start = head.current_start_frame
        clean = pending
        if clean is None:
            assert head.clip_feas is not None
            clean = head.clip_feas.unflatten(2, (8, 8))[:, :, None]
        at, first = max(0, start - BLOCK), start if start else 1
        noise = [block_noise(seed, first, self.dit.shape.channels) for seed in seeds]
        video, acts = (torch.stack(part).to(self.device) for part in zip(*noise, strict=True))
        block = self._sample.block(
            BlockInputs(
                clean,
                torch.tensor(at, device=self.device),
                told_state(inputs).to(self.device),
                (video, acts),
            ),
            unit_actions(inputs["action"]) if "action" in inputs else None,
            self._prompts(inputs["text"]),
            [*head.kv_cache1, *head.kv_cache_neg],
            self.action_head.settings,
        )
        self._keep(head, block.caches)
        head.current_start_frame = first + BLOCK
        video = torch.cat([clean, block.video], 2) if pending is None else block.video
        return {"video_pred": video, "action_pred": block.actions}

    def _prompts(self, text: Tensor) -> Prompts:
        """2B encoded prompts: the prompts, then the empty prompt for each. The last are kept."""
        if self._heard is None or not same_prompt(self._heard[0], text):
            self._heard = text.clone(), self.dit.prompts(self.dit.text(torch.cat([text, torch.zeros_like(text)])))
        return self._heard[1]

    def _keep(self, head: ActionHead, caches: Sequence[Tensor]) -> None:
        layers = len(caches) // 2
        head.kv_cache1, head.kv_cache_neg = list(caches[:layers]), list(caches[layers:])

    @one_thread()
    @torch.inference_mode()
    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        """Decode latent frames `start:` of one window, [1, C, T, 8, 8], to uint8 [F, 64, 64, 3]: one frame for the
        anchor (index 0), four for every other. Latent frames decode independently of each other."""
        frames: list[Tensor] = []
        for index in range(start, latents.shape[2]):
            one = latents[:, :, index : index + 1].to(self.device, torch.float32)
            group = self._decode(one)[0, 0]
            frames.append(group if index else group[-1:])
        if not frames:
            return np.zeros((0, SIZE, SIZE, 3), np.uint8)
        return to_pixels(torch.cat(frames)).cpu().numpy()

    @one_thread()
    @torch.inference_mode()
    def rebuild_kv(self, latents: Tensor, blocks: list[Conditioning]) -> None:
        """Refill the caches from latents [1, C, 1 + 2 m, 8, 8]. `blocks[0].prompt` is the prompt under which the anchor
        entered the KV, `blocks[j].prompt` that of block j. Actions and states in `blocks` are not needed: the past is
        what was seen."""
        count = latents.shape[2] - 1
        if count < 0 or count % BLOCK or len(blocks) != 1 + count // BLOCK:
            raise InvalidRequest(
                f"rebuild_kv needs 1 + {BLOCK} m latent frames and 1 + m conditionings; "
                f"got {latents.shape[2]} and {len(blocks)}."
            )
        head = self.action_head
        head.kv_cache1, head.kv_cache_neg = [], []
        latents = latents.to(self.device, torch.float32)
        for index, block in enumerate(blocks):
            first, stop = (0, 1) if index == 0 else (1 + BLOCK * (index - 1), 1 + BLOCK * index)
            part, at = latents[:, :, first:stop], torch.tensor(first, device=self.device)
            prompts = self._prompts(self.language_of(block.prompt))
            caches = [*head.kv_cache1, *head.kv_cache_neg]
            self._keep(head, self._sample.write_kv(part, at, prompts, caches=caches))
