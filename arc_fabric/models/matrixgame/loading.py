"""Loading Matrix-Game 2 through its own classes, as its `inference.py` does: configuration, checkpoint, VAE and CLIP.

Written from that file; not run with trained weights.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

import torch

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.fingerprints import files_digests, parameters_digest
from arc_fabric.models.matrixgame.model import MatrixGameModel
from arc_fabric.models.matrixgame.source import checkout, import_pipeline

SIZE = 352, 640
FRAMES = 360
"""Latent frames that the first picture is prepared for, as its streaming demo does: nearly a minute."""
_VAE = "Wan2.1_VAE.pth"


def load(place: str, device: str = "cuda:0") -> MatrixGameModel:
    """`<config.yaml>#<checkpoint.safetensors>#<folder of Wan's VAE and CLIP>`, as its `inference.py` takes them; names
    in the configuration are relative to the checkout. Raises ModelUnavailable."""
    config, checkpoint, base = (Path(part).resolve() for part in [*place.split("#"), "", ""][:3])
    where = torch.device(device)
    if where.type == "cuda" and not torch.cuda.is_available():
        raise ModelUnavailable("There is no GPU for this pipeline.", hint="A 1.8B model needs about 24 GB of memory.")
    source, module = checkout(), import_pipeline()
    if missing := [str(file) for file in (config, checkpoint, base / _VAE) if not file.is_file()]:
        hint = "Name <config.yaml>#<checkpoint.safetensors>#<folder of Wan2.1_VAE.pth and CLIP>."
        raise ModelUnavailable(f"{', '.join(missing)} is no file.", hint=hint)
    with chdir(source):
        pipeline, encoder, mode = _made(module, config, checkpoint, base, where)
    digests = [parameters_digest(part) for part in (pipeline, encoder.vae, encoder.clip)]
    return MatrixGameModel(
        pipeline, encoder, mode=mode, frames=FRAMES, image_size=SIZE, device=where, weights_digest=" ".join(digests),
        files=files_digests(config.parent, [config.name]),
    )  # fmt: skip


def _made(module: Any, config_path: Path, checkpoint: Path, base: Path, device: torch.device) -> tuple[Any, Any, str]:
    from omegaconf import OmegaConf
    from safetensors.torch import load_file

    try:
        from demo_utils.vae_block3 import VAEDecoderWrapper
        from utils.wan_wrapper import WanDiffusionWrapper
        from wan.vae.wanx_vae import get_wanx_vae_wrapper

        config = OmegaConf.load(config_path)
        mode = str(config.pop("mode"))
        generator = WanDiffusionWrapper(**config.get("model_kwargs", {}), is_causal=True)
        decoder = VAEDecoderWrapper()
        saved = torch.load(base / _VAE, map_location="cpu", weights_only=True)
        decoder.load_state_dict({name: w for name, w in saved.items() if "decoder." in name or "conv2" in name})
        pipeline = module.CausalInferencePipeline(config, device=device, generator=generator, vae_decoder=decoder)
        pipeline.generator.load_state_dict(load_file(checkpoint))
        pipeline.to(device=device, dtype=torch.bfloat16).eval().requires_grad_(False)
        pipeline.vae_decoder.to(torch.float16)
        encoder = get_wanx_vae_wrapper(str(base), torch.float16).to(device, torch.bfloat16)
    except Exception as error:  # foreign code: files, shapes, configuration; the cause is chained
        raise ModelUnavailable(
            f"The checkout's own loader refused {config_path}: {type(error).__name__}: {error}",
            hint="Check that inference.py of the checkout runs with this configuration and these files.",
        ) from error
    return pipeline, encoder, mode
