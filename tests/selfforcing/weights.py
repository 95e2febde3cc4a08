"""Real files at toy size, in the form in which Self-Forcing's own `inference.py` expects them, of its real classes.

Smaller than the released ones in numbers alone: layers, widths of text encoder and VAE, the vocabulary.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import T5TokenizerFast

from tests.selfforcing.real import HEAD_DIM, HEADS, LAYERS, STEPS, TEXT_LEN, Pipeline, _fill, vae_module, wrapper_module
from tests.selfforcing.real import TOKENS as FRAME_TOKENS

BASE = "wan_models/Wan2.1-T2V-1.3B"
VOCABULARY = ("<pad>", "</s>", "<unk>", *"▁abcdefghijklmnopqrstuvwxyz")
DIT = {"dim": HEADS * HEAD_DIM, "num_heads": HEADS, "num_layers": LAYERS, "ffn_dim": 64, "freq_dim": 32}
DIT["text_len"] = TEXT_LEN
TEXT = {"vocab_size": 32, "dim_attn": 64, "dim_ffn": 64, "num_heads": 4, "encoder_layers": 2}
VAE = {"dim": 8, "num_res_blocks": 1}
CONFIG = f"""
denoising_step_list: {list(STEPS)}
warp_denoising_step: true
num_frame_per_block: 3
model_kwargs: {{timestep_shift: 5.0, local_attn_size: 6, sink_size: 0}}
"""


class SmallPipeline(Pipeline):  # type: ignore[misc,valid-type]
    """The real one, its two numbers that are not taken from the model made small."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.num_transformer_blocks, self.frame_seq_length = LAYERS, FRAME_TOKENS


@dataclass
class Weights:
    """All weights of a pipeline, by the names that its own modules have."""

    base: dict[str, Tensor]
    plain: dict[str, Tensor]
    ema: dict[str, Tensor]
    text: dict[str, Tensor]
    vae: dict[str, Tensor]


def small_sizes(monkeypatch: Any) -> None:
    """The checkout's own makers of text encoder and VAE at toy size, on this device."""
    monkeypatch.setattr(wrapper_module, "umt5_xxl", partial(wrapper_module.umt5_xxl, **TEXT))
    monkeypatch.setattr(wrapper_module, "_video_vae", partial(wrapper_module._video_vae, **VAE))
    monkeypatch.setattr(wrapper_module, "HuggingfaceTokenizer", _short)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: "cpu")  # where its text encoder puts its tokens


_Tokens = wrapper_module.HuggingfaceTokenizer


def _short(name: str, seq_len: int, clean: str) -> Any:
    """Its tokenizer, for 16 tokens in place of 512."""
    assert seq_len == 512
    return _Tokens(name, seq_len=TEXT_LEN, clean=clean)


def draw() -> Weights:
    """The same every time."""
    torch.manual_seed(0)
    plain, ema, base = (_filled(wrapper_module.CausalWanModel(**DIT), seed) for seed in (1, 2, 3))
    text = wrapper_module.umt5_xxl(encoder_only=True, return_tokenizer=False, dtype=torch.bfloat16)
    vae = vae_module.WanVAE_(
        z_dim=16, dim_mult=[1, 2, 4, 4], attn_scales=[], temperal_downsample=[False, True, True], dropout=0.0, **VAE
    )
    wrapped = [{f"model.{name}": weight for name, weight in one.items()} for one in (plain, ema)]
    return Weights(base, *wrapped, text.state_dict(), vae.state_dict())


def _filled(dit: nn.Module, seed: int) -> dict[str, Tensor]:
    with torch.no_grad():
        _fill(dit)
        generator = torch.Generator().manual_seed(seed)
        for weight in dit.parameters():
            weight.mul_(1 + 0.1 * torch.randn(weight.shape, generator=generator))
    return dit.to(torch.bfloat16).state_dict()


def write(place: Path, weights: Weights, tokenizer: T5TokenizerFast) -> tuple[Path, Path]:
    """Into a folder that stands for the checkout's; configuration and checkpoint."""
    base = place / BASE
    base.mkdir(parents=True)
    dit = wrapper_module.WanModel(**DIT).to(torch.bfloat16)  # the class that the released files name
    dit.load_state_dict(weights.base)
    dit.save_pretrained(base)
    assert json.loads((base / "config.json").read_text())["_class_name"] == "WanModel"
    torch.save(weights.text, base / "models_t5_umt5-xxl-enc-bf16.pth")
    torch.save(weights.vae, base / "Wan2.1_VAE.pth")
    tokenizer.save_pretrained(base / "google/umt5-xxl")
    torch.save({"generator": weights.plain, "generator_ema": weights.ema}, place / "checkpoint.pt")
    (place / "mine.yaml").write_text(CONFIG)
    return place / "mine.yaml", place / "checkpoint.pt"


def tokenizer() -> T5TokenizerFast:
    """One token a letter."""
    made = Tokenizer(models.Unigram([(piece, -1.0) for piece in VOCABULARY], unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(tokenizer_object=made, extra_ids=0)


def build(weights: Weights, given: dict[str, Tensor], words: T5TokenizerFast) -> Any:
    """The same pipeline built directly: no file is read."""
    wrapper = wrapper_module
    saved = vars(wrapper.CausalWanModel).get("from_pretrained")
    wrapper.CausalWanModel.from_pretrained = classmethod(lambda cls, path, **more: cls(**DIT, **more))
    try:
        generator = wrapper.WanDiffusionWrapper(is_causal=True, timestep_shift=5.0, local_attn_size=6, sink_size=0)
    finally:
        if saved is None:
            del wrapper.CausalWanModel.from_pretrained
        else:
            wrapper.CausalWanModel.from_pretrained = saved
    generator.load_state_dict(given)
    text = wrapper.WanTextEncoder.__new__(wrapper.WanTextEncoder)
    nn.Module.__init__(text)
    text.text_encoder = wrapper.umt5_xxl(encoder_only=True, return_tokenizer=False, dtype=torch.bfloat16)
    text.text_encoder.load_state_dict(weights.text)
    text.tokenizer = _Tokens.__new__(_Tokens)
    vars(text.tokenizer).update(tokenizer=words, seq_len=TEXT_LEN, clean="whitespace")
    vae = wrapper.WanVAEWrapper.__new__(wrapper.WanVAEWrapper)
    nn.Module.__init__(vae)
    vae.mean, vae.std = _released_scale()
    vae.model = vae_module.WanVAE_(
        z_dim=16, dim_mult=[1, 2, 4, 4], attn_scales=[], temperal_downsample=[False, True, True], dropout=0.0, **VAE
    )
    vae.model.load_state_dict(weights.vae)
    args = SimpleNamespace(
        denoising_step_list=list(STEPS), warp_denoising_step=True, num_frame_per_block=3, context_noise=0,
        independent_first_frame=False,
    )  # fmt: skip
    pipeline = SmallPipeline(args, "cpu", generator=generator, text_encoder=text, vae=vae)
    return pipeline.to(dtype=torch.bfloat16).eval().requires_grad_(False)


def _released_scale() -> tuple[Tensor, Tensor]:
    """The numbers that the wrapper sets, read from one that finds no file."""
    made: dict[str, Tensor] = {}

    class Reads(wrapper_module.WanVAEWrapper):  # type: ignore[misc,name-defined]
        def __setattr__(self, name: str, value: Any) -> None:
            if name in ("mean", "std"):
                made[name] = value
            super().__setattr__(name, value)

    with contextlib.suppress(OSError):  # there is no file: the numbers are set before it is looked for
        Reads()
    return made["mean"], made["std"]
