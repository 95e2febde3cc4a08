"""Builds the real classes of Self-Forcing, or of LongLive 1, at toy size on the CPU, from the checkout that
ARC_FABRIC_SELFFORCING_SRC names.

Nothing of the checkout is changed. What a CPU or a missing file stands in the way of is replaced around it: the number
of the current GPU while it is imported, flash attention by the repository's own fallback, weight files, the text
encoder (5.7 B parameters) by a hash. torchvision, transformers and lmdb, which only parts that are not used here need,
are empty stand-ins where they are not installed; diffusers and einops must be. Import this module only where the
checkout is at hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import diffusers.models.modeling_utils  # noqa: F401  (it looks for what stands in below)
import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from arc_fabric.models.selfforcing.source import checkout, import_pipeline
from tests.selfforcing.stand_ins import stand_ins

LAYERS, HEADS, HEAD_DIM = 2, 12, 128
"""Heads are the pipeline's own numbers, which it does not take from the model."""
GRID, TOKENS, TEXT_LEN, TEXT_DIM, CHANNELS = 4, 4, 16, 32, 16
SIZE = GRID * 8
STEPS = (1000, 750, 500, 250)
LONGLIVE = (checkout() / "utils" / "debug_option.py").is_file()


with contextlib.suppress(ImportError):
    import transformers  # noqa: F401  (before anything stands in: it looks for what is there)
stand_ins("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "transformers", "lmdb")
if not torch.cuda.is_available():
    torch.cuda.current_device = lambda: 0  # asked for at import, to name a device that is not used
with contextlib.redirect_stdout(io.StringIO()):
    Pipeline = import_pipeline()
import utils.wan_wrapper as wrapper_module  # noqa: E402  (the checkout's)
import wan.modules.attention as attention_module  # noqa: E402
import wan.modules.model as model_module  # noqa: E402
import wan.modules.vae as vae_module  # noqa: E402


def _attention(q: Tensor, k: Tensor, v: Tensor, k_lens: Tensor | None = None) -> Tensor:
    assert k_lens is None
    return attention_module.attention(q, k, v)


if not attention_module.FLASH_ATTN_2_AVAILABLE:
    model_module.flash_attention = _attention  # the repository's own fallback


class SmallTextEncoder(nn.Module):
    """Embeddings [1, 16, 32] from a hash of the prompt, of the weights' type."""

    def forward(self, text_prompts: Sequence[str]) -> dict[str, Tensor]:
        """What the pipeline's encoder gives."""
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") for text in text_prompts]
        rows = [torch.randn(TEXT_LEN, TEXT_DIM, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return {"prompt_embeds": torch.stack(rows).to(torch.bfloat16)}


def small_vae() -> nn.Module:
    """Wan's VAE, thin, in the pipeline's own wrapper."""
    vae = wrapper_module.WanVAEWrapper.__new__(wrapper_module.WanVAEWrapper)
    nn.Module.__init__(vae)
    vae.mean, vae.std = torch.zeros(CHANNELS), torch.ones(CHANNELS)
    vae.model = vae_module.WanVAE_(
        dim=8, z_dim=CHANNELS, dim_mult=[1, 2, 4, 4], num_res_blocks=1, attn_scales=[],
        temperal_downsample=[False, True, True], dropout=0.0,
    )  # fmt: skip
    return vae


@contextlib.contextmanager
def _no_weight_files() -> Iterator[None]:
    """`from_pretrained` builds the class at toy size."""
    sizes = {"dim": HEADS * HEAD_DIM, "num_heads": HEADS, "num_layers": LAYERS, "ffn_dim": 64, "freq_dim": 32,
             "text_dim": TEXT_DIM, "text_len": TEXT_LEN, "in_dim": CHANNELS, "out_dim": CHANNELS}  # fmt: skip
    kind = wrapper_module.CausalWanModel
    saved = vars(kind).get("from_pretrained")
    kind.from_pretrained = classmethod(lambda cls, path, **more: cls(**sizes, **more))
    try:
        yield
    finally:
        if saved is None:
            del kind.from_pretrained
        else:
            kind.from_pretrained = saved


def build_pipeline(
    *, local: int = -1, sink: int = 0, block: int = 3, capacity: int | None = None, maker: Any = None, **options: Any
) -> Any:
    """The real pipeline at toy size; the same weights every time. `capacity`: frames of a growing cache, made before
    the pipeline would make one of 32,760 tokens."""
    torch.manual_seed(0)
    kwargs = SimpleNamespace(local_attn_size=local)
    args = SimpleNamespace(
        denoising_step_list=list(STEPS), warp_denoising_step=True, num_frame_per_block=block, context_noise=0,
        independent_first_frame=False, model_kwargs=kwargs, **options,
    )  # fmt: skip
    with _no_weight_files(), contextlib.redirect_stdout(io.StringIO()):
        generator = wrapper_module.WanDiffusionWrapper(
            is_causal=True, timestep_shift=5.0, local_attn_size=local, sink_size=sink
        )
        pipeline = (maker or Pipeline)(
            args, "cpu", generator=generator, text_encoder=SmallTextEncoder(), vae=small_vae()
        )
    pipeline.num_transformer_blocks, pipeline.frame_seq_length = LAYERS, TOKENS
    pipeline.to(dtype=torch.bfloat16).eval().requires_grad_(False)
    _fill(pipeline.generator.model)
    if capacity is not None:
        pipeline.kv_cache1 = _caches(capacity * TOKENS)
        pipeline._initialize_crossattn_cache(batch_size=1, dtype=torch.bfloat16, device="cpu")
    return pipeline


def _caches(tokens: int) -> list[dict[str, Tensor]]:
    shape = (1, tokens, HEADS, HEAD_DIM)
    return [
        {name: torch.zeros(shape, dtype=torch.bfloat16) for name in ("k", "v")}
        | {name: torch.tensor([0]) for name in ("global_end_index", "local_end_index")}
        for _ in range(LAYERS)
    ]


def _fill(dit: nn.Module) -> None:
    """Random weights also where the initialisation leaves zeros."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in dit.named_parameters():
        if weight.dim() >= 2 and "modulation" not in name:
            fan = weight[0].numel()
            weight.copy_(torch.randn(weight.shape, generator=generator) * fan**-0.5)
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


def as_video(video: Tensor) -> np.ndarray:
    """The pipeline's video [1, F, 3, H, W] in [0, 1] -> uint8 [F, H, W, 3]."""
    return (255 * video[0].float()).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
