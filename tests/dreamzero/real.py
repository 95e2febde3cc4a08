"""Builds DreamZero's own classes at toy size, from a checkout named by ARC_FABRIC_DREAMZERO_SRC; on the CPU, or on the
GPU that ARC_FABRIC_DREAMZERO_DEVICE names (such as cuda:0).

Nothing of the checkout is changed. What a CPU or a missing weight file stands in the way of is replaced around it: the
device "cuda", CUDA events, torchvision's Normalize, the CLIP encoder (1.2 B parameters) and weight loading. Import this
module only where the checkout is at hand.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import io
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

os.environ["ATTENTION_BACKEND"] = "torch"
os.environ["NUM_DIT_STEPS"] = "5"
os.environ["TORCHDYNAMO_DISABLE"] = "1"
sys.path.insert(0, os.environ["ARC_FABRIC_DREAMZERO_SRC"])

import accelerate  # noqa: F401  (before torchvision is replaced)
import diffusers  # noqa: F401
import peft  # noqa: F401
import transformers  # noqa: F401

BLOCK, CHUNKS, LAYERS, HEADS, HEAD_DIM = 2, 4, 2, 2, 32
SIZE = 64
PACKAGE = "groot.vla.model.dreamzero."
HEAD = "action_head.wan_flow_matching_action_tf.WANPolicyHead"
DEVICE = os.environ.get("ARC_FABRIC_DREAMZERO_DEVICE", "cpu")


class _Normalize:
    """torchvision.transforms.v2.Normalize, which is all that the head uses of torchvision."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        self.mean, self.std = mean, std

    def __call__(self, x: Tensor) -> Tensor:
        mean, std = (torch.tensor(v, dtype=x.dtype, device=x.device).view(-1, 1, 1) for v in (self.mean, self.std))
        return (x - mean) / std


def _stand_in_for_torchvision() -> None:
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.v2"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        module.Normalize = _Normalize
        sys.modules[name] = module
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    sys.modules["torchvision.transforms"].v2 = sys.modules["torchvision.transforms.v2"]


class _Event:
    """torch.cuda.Event on a machine without CUDA."""

    def __init__(self, **options: bool) -> None:
        del options

    def record(self) -> None:
        """Nothing to record."""

    def elapsed_time(self, other: _Event) -> float:
        """No time."""
        del other
        return 0.0


_stand_in_for_torchvision()
if DEVICE == "cpu":
    torch.cuda.Event = _Event
    torch.cuda.synchronize = lambda *args: None

import groot.vla.model.dreamzero.action_head.wan_flow_matching_action_tf as head_module  # noqa: E402
import groot.vla.model.dreamzero.modules.attention as attention_module  # noqa: E402
import groot.vla.model.dreamzero.modules.wan2_1_submodule as submodule  # noqa: E402
import groot.vla.model.dreamzero.modules.wan_video_vae as vae_module  # noqa: E402
from groot.vla.model.dreamzero.base_vla import VLA, VLAConfig  # noqa: E402

submodule.flash_attention = attention_module._sdpa_attention_fallback  # the repository's own fallback


class OnCpu(TorchFunctionMode):
    """Reads the device "cuda" as "cpu"."""

    def __torch_function__(self, func: Any, kinds: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if isinstance(kwargs.get("device"), str) and kwargs["device"].startswith("cuda"):
            kwargs["device"] = "cpu"
        return func(*("cpu" if isinstance(a, str) and a.startswith("cuda") else a for a in args), **kwargs)


def as_configured() -> contextlib.AbstractContextManager[object]:
    """DreamZero's code names the device "cuda"; inside the block that is the device of these tests."""
    return OnCpu() if DEVICE == "cpu" else torch.cuda.device(DEVICE)


class CpuHead(head_module.WANPolicyHead):
    """The head with its noise on the CPU."""

    def generate_noise(
        self, shape: tuple[int, ...], seed: int | None = None, device: str = "cpu", dtype: Any = None
    ) -> Tensor:
        """Same generator, other device."""
        return super().generate_noise(shape, seed=seed, device="cpu", dtype=dtype)


class SmallImageEncoder(nn.Module):
    """The output contract of WanImageEncoder.encode_image: [B, 257, 1280]."""

    image_encoder_pretrained_path = None

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.visual = nn.Linear(3 * 8 * 8, 1280)
        self.register_buffer("tokens", torch.randn(257, 1), persistent=False)

    def encode_image(self, videos: Tensor) -> Tensor:
        """[B, 1, 3, H, W] -> [B, 257, 1280]."""
        weight = self.model.visual.weight
        small = nn.functional.adaptive_avg_pool2d(videos[:, 0].float(), 8).flatten(1).to(weight.dtype)
        return (self.model.visual(small)[:, None] * self.tokens.to(weight.dtype)[None]).clone()


class SmallVAE(vae_module.WanVideoVAE):
    """Wan 2.1's VAE, thin."""

    def __init__(self) -> None:
        super().__init__(z_dim=16)
        self.model = vae_module.VideoVAE_(dim=8, z_dim=16).eval().requires_grad_(False)


class SmallVAE38(vae_module.WanVideoVAE38):
    """Wan 2.2's VAE, thin."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        full = vae_module.VideoVAE38_
        vae_module.VideoVAE38_ = lambda z_dim, dim: full(dim=dim, z_dim=z_dim, dec_dim=8)
        try:
            super().__init__(z_dim=48, dim=8)
        finally:
            vae_module.VideoVAE38_ = full


@contextlib.contextmanager
def _no_weight_files() -> Iterator[None]:
    saved = head_module.ensure_file, torch.load, nn.Module.load_state_dict
    head_module.ensure_file = lambda *args, **kwargs: "unused"
    torch.load = lambda *args, **kwargs: {}
    nn.Module.load_state_dict = lambda self, *args, **kwargs: ([], [])
    try:
        yield
    finally:
        head_module.ensure_file, torch.load, nn.Module.load_state_dict = saved


def _configuration(wan22: bool) -> dict[str, Any]:
    """The head's configuration: shipped values but for sizes."""
    unit = 32 if wan22 else 16
    channels = 48 if wan22 else 16
    return {
        "tiled": False, "num_frames": 33, "num_frame_per_block": BLOCK, "train_architecture": "full",
        "hidden_size": 64, "action_dim": 32, "action_horizon": 24, "num_inference_timesteps": 4,
        "skip_component_loading": True, "model_dtype": "float32", "input_embedding_dim": 1536,
        "backbone_embedding_dim": 0, "tune_projector": True, "tune_diffusion_model": True,
        "target_video_height": SIZE if wan22 else None, "target_video_width": SIZE if wan22 else None,
        "text_encoder_cfg": {"_target_": PACKAGE + "modules.wan_video_text_encoder.WanTextEncoder", "vocab": 1000,
                             "dim": 64, "dim_attn": 64, "dim_ffn": 128, "num_heads": 4, "num_layers": 2},
        "image_encoder_cfg": {"_target_": f"{__name__}.SmallImageEncoder"},
        "vae_cfg": {"_target_": f"{__name__}.SmallVAE38" if wan22 else f"{__name__}.SmallVAE"},
        "diffusion_model_cfg": {
            "_target_": PACKAGE + "modules.wan_video_dit_action_casual_chunk.CausalWanModel",
            "model_type": "ti2v" if wan22 else "i2v", "frame_seqlen": (SIZE // unit) ** 2, "dim": HEADS * HEAD_DIM,
            "in_dim": 48 if wan22 else 36, "out_dim": channels, "ffn_dim": 128, "freq_dim": 256, "text_dim": 64,
            "num_heads": HEADS, "num_layers": LAYERS, "max_chunk_size": CHUNKS, "num_frame_per_block": BLOCK,
            "action_dim": 32, "max_state_dim": 64, "hidden_size": 64, "num_action_per_block": 24,
            "num_state_per_block": 1, "concat_first_frame_latent": not wan22,
        },
    }  # fmt: skip


def toy_config(variant: str) -> dict[str, Any]:
    """What a checkpoint's config.json says: variant "14b" (i2v, Wan 2.1) or "5b" (ti2v, Wan 2.2)."""
    config = {"_target_": PACKAGE + HEAD + "Config", "_recursive_": False}
    head = {
        "_target_": f"{__name__}.CpuHead" if DEVICE == "cpu" else PACKAGE + HEAD,
        "_convert_": "object",
        "config": config | _configuration(variant == "5b"),
    }
    backbone = {"_target_": PACKAGE + "backbone.identity.IdentityBackbone"}
    return {"backbone_cfg": backbone, "action_head_cfg": head, "action_horizon": 24, "action_dim": 32}


def build_vla(variant: str) -> VLA:
    """The real VLA at toy size. Same weights every time."""
    torch.manual_seed(0)
    with as_configured(), _no_weight_files(), contextlib.redirect_stdout(io.StringIO()):
        vla = VLA(VLAConfig(**toy_config(variant)))
        vla.eval().requires_grad_(False)
        _fill(vla.action_head.model)
        vla.action_head._device = DEVICE
        vla.to(DEVICE)
        compiler, torch.compile = torch.compile, lambda *args, **kwargs: lambda function: function
        try:
            vla.post_initialize()
        finally:
            torch.compile = compiler
    return vla


def _fill(dit: nn.Module) -> None:
    """Random weights also where the initialisation leaves zeros."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in dit.named_parameters():
        if weight.dim() >= 2 and "modulation" not in name:
            fan = {2: weight.shape[-1], 5: weight[0].numel()}.get(weight.dim(), weight.shape[-2])
            weight.normal_(0, fan**-0.5, generator=generator)
        elif name.endswith("bias"):
            weight.normal_(0, 0.02, generator=generator)


class ToyTransforms:
    """Tokens from a hash of the prompt, states and actions as they are."""

    cameras, state_dim, action_dim, action_names = 1, 64, 32, ()

    def compose(self, views: np.ndarray) -> np.ndarray:
        """The first camera."""
        return views[0]

    def condition(self, prompt: str, state: np.ndarray | None) -> dict[str, Tensor]:
        """Twenty tokens of the prompt, forty of the negative one."""
        given = torch.zeros(64) if state is None else torch.as_tensor(np.array(state, np.float32))
        text, mask = _tokens(prompt, 20)
        negative, negative_mask = _tokens("", 40)
        return {
            "state": given.view(1, 1, 64), "embodiment_id": torch.tensor([17]), "text": text,
            "text_attention_mask": mask, "text_negative": negative, "text_attention_mask_negative": negative_mask,
        }  # fmt: skip

    def actions(self, normalised: Tensor, state: np.ndarray | None) -> Tensor:
        """As float32."""
        del state
        return normalised.float()


def _tokens(text: str, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(sum((i + 1) * byte for i, byte in enumerate(text.encode())))
    ids, mask = torch.zeros(1, 512, dtype=torch.int64), torch.zeros(1, 512, dtype=torch.int64)
    ids[:, :count] = torch.randint(2, 1000, (1, count), generator=generator)
    mask[:, :count] = 1
    return ids, mask
