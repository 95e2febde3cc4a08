"""Builds the real classes of Matrix-Game 2 at toy size on the CPU, from the checkout that ARC_FABRIC_MATRIXGAME_SRC
names.

Nothing of the checkout is changed. What a CPU or a missing file stands in the way of is replaced around it: flash
attention by torch's own, weight files, half precision of the decoder, its VAE's encoder and CLIP (0.6 B parameters) by
small ones, the pipeline's fixed numbers of heads. 880 tokens a frame stay: its modules insist on them. Packages that
nothing here uses are empty stand-ins where they are not installed; diffusers and einops must be. Import this module
only where the checkout is at hand.
"""

from __future__ import annotations

import contextlib
import io
import sys
import types
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import diffusers.models.modeling_utils  # noqa: F401  (it looks for what stands in below)
import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from arc_fabric.models.matrixgame.source import import_pipeline
from tests.selfforcing.stand_ins import stand_ins

LAYERS, HEADS, HEAD_DIM, CHANNELS = 2, 2, 12, 16
ACTING, ACT_HEADS, ACT_DIM = [0], 2, 64
"""Blocks with an action module, as in its releases the first half; 64 is what its rotary tables are made for."""
HEIGHT, WIDTH = 352, 640
STEPS = (1000, 666, 333)
KEYS = {"universal": 4, "gta_drive": 2, "templerun": 7}


def _attend(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """[B, L, H, D], as flash attention takes it."""
    assert not causal
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)


with contextlib.suppress(ImportError):
    import transformers  # noqa: F401  (before anything stands in: it looks for what is there)
stand_ins(
    "torchvision", "torchvision.transforms", "torchvision.transforms.functional", "transformers", "cv2", "easydict",
    "ftfy", "dashscope", "imageio", "regex", "safetensors",
)  # fmt: skip
try:
    import flash_attn  # noqa: F401
except ImportError:
    sys.modules["flash_attn"] = types.ModuleType("flash_attn")
    sys.modules["flash_attn"].flash_attn_func = _attend  # type: ignore[attr-defined]
if not torch.cuda.is_available():
    torch.cuda.current_device = lambda: "cpu"  # where tables of positions are made
with contextlib.redirect_stdout(io.StringIO()):
    module = import_pipeline()
import demo_utils.vae_block3 as decoder_module  # noqa: E402  (the checkout's)
import utils.wan_wrapper as wrapper_module  # noqa: E402
import wan.modules.attention as attention_module  # noqa: E402
import wan.modules.model as model_module  # noqa: E402

if not torch.cuda.is_available():
    attention_module.FLASH_ATTN_2_AVAILABLE = False  # so that it takes its own fallback
    model_module.flash_attention = lambda q, k, v, k_lens=None: attention_module.attention(q, k, v)
SLOTS = len(module.ZERO_VAE_CACHE)
module.ZERO_VAE_CACHE = [torch.zeros(0)] * SLOTS  # it is copied, emptied at once, and 1.5 GB


class Pipeline(module.CausalInferencePipeline):
    """With heads of the toy's number in its caches."""

    def _initialize_kv_cache(self, batch_size: int, dtype: torch.dtype, device: Any) -> None:
        shape = (batch_size, self.local_attn_size * self.frame_seq_length, HEADS, HEAD_DIM)
        self.kv_cache1 = [_cache(shape, dtype) for _ in range(LAYERS)]

    def _initialize_kv_cache_mouse_and_keyboard(self, batch_size: int, dtype: torch.dtype, device: Any) -> None:
        rest = self.local_attn_size, ACT_HEADS, ACT_DIM
        self.kv_cache_keyboard = [_cache((batch_size, *rest), dtype) for _ in range(LAYERS)]
        self.kv_cache_mouse = [_cache((batch_size * self.frame_seq_length, *rest), dtype) for _ in range(LAYERS)]


def _cache(shape: tuple[int, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    made = {name: torch.zeros(shape, dtype=dtype) for name in ("k", "v")}
    return made | {name: torch.tensor([0]) for name in ("global_end_index", "local_end_index")}


class Decoder(nn.Module):
    """Its VAE decoder, thin, in single precision."""

    def __init__(self) -> None:
        super().__init__()
        self._real = decoder_module.VAEDecoderWrapper()
        self._real.decoder = decoder_module.VAEDecoder3d(dim=2)
        self.decoder = self._real.decoder

    def forward(self, z: Tensor, *cache: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        """As the pipeline calls it, in half precision."""
        assert z.dtype == torch.float16
        return self._real(z.float(), *cache)  # type: ignore[no-any-return]


class Encoder:
    """In place of its VAE's encoder and CLIP, with their shapes."""

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(2)
        self._mix, self._tokens = torch.randn(CHANNELS, 3, generator=g), torch.randn(257, 1280, generator=g)
        self.clip = self

    def encode(self, video: Tensor, device: Any, **tiles: Any) -> Tensor:
        """[1, 3, 1 + 4 (F - 1), H, W] -> [1, 16, F, H / 8, W / 8]; every frame knows the first one."""
        assert tiles["tiled"]
        small = nn.functional.avg_pool3d(video.float(), (1, 8, 8))[:, :, ::4]
        small = small + small[:, :, :1] / torch.arange(1, small.shape[2] + 1).view(-1, 1, 1)
        return torch.einsum("oc,bcfhw->bofhw", self._mix, small).to(video.dtype)

    def encode_video(self, image: Tensor) -> Tensor:
        """[1, 3, 1, H, W] -> [1, 257, 1280]."""
        return (self._tokens * image.float().mean((1, 2, 3, 4)))[None].to(image.dtype)


def build_pipeline(*, mode: str = "universal", local: int = 6) -> Any:
    """The real pipeline at toy size; the same weights every time."""
    torch.manual_seed(0)
    action = {
        "blocks": ACTING, "enable_keyboard": True, "enable_mouse": mode != "templerun", "heads_num": ACT_HEADS,
        "hidden_size": 16, "img_hidden_size": HEADS * HEAD_DIM, "keyboard_dim_in": KEYS[mode],
        "keyboard_hidden_dim": ACT_HEADS * ACT_DIM, "mouse_hidden_dim": ACT_HEADS * ACT_DIM, "windows_size": 3,
        "vae_time_compression_ratio": 4,
    }  # fmt: skip
    config = {
        "model_type": "i2v", "in_dim": 36, "out_dim": CHANNELS, "dim": HEADS * HEAD_DIM, "num_heads": HEADS,
        "num_layers": LAYERS, "ffn_dim": 48, "freq_dim": 32, "local_attn_size": local, "sink_size": 0,
        "action_config": action,
    }  # fmt: skip
    args = SimpleNamespace(
        denoising_step_list=list(STEPS), warp_denoising_step=True, num_frame_per_block=3, context_noise=0
    )
    with contextlib.redirect_stdout(io.StringIO()):
        generator = wrapper_module.WanDiffusionWrapper(model_config=config, timestep_shift=5.0, is_causal=True)
        pipeline = Pipeline(args, "cpu", generator=generator, vae_decoder=Decoder())
    pipeline.num_transformer_blocks = LAYERS
    for part, kind in ((generator, torch.bfloat16), (pipeline.vae_decoder, torch.float32)):
        part.to(dtype=kind).eval().requires_grad_(False)
        _fill(part)
    return pipeline


def _fill(part: nn.Module) -> None:
    """Random weights also where the initialisation leaves zeros."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in part.named_parameters():
        if weight.dim() >= 2 and "modulation" not in name and "gamma" not in name:
            weight.copy_(torch.randn(weight.shape, generator=generator) * weight[0].numel() ** -0.5)
        elif name.endswith("bias"):
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.02)


class Drawn(TorchFunctionMode):
    """Inside, `torch.randn_like` gives these tensors, in order: the noise that the adapter draws."""

    def __init__(self, noise: Sequence[Tensor]) -> None:
        super().__init__()
        self.left = list(noise)

    def __torch_function__(self, func: Any, kinds: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is torch.randn_like:
            noise = self.left.pop(0)
            assert noise.shape == args[0].shape and noise.dtype == args[0].dtype
            return noise
        return func(*args, **(kwargs or {}))


def as_video(video: Sequence[Tensor]) -> np.ndarray:
    """The pipeline's videos, as its `inference.py` makes uint8 [F, H, W, 3] of them."""
    joined = torch.cat(list(video), 1)[0].permute(0, 2, 3, 1)
    return ((joined.float() + 1) * 127.5).clip(0, 255).numpy().astype(np.uint8)
