"""What must be equal for a DreamZero state to go on with the same bits: everything that takes part in a call.

The weights as they were loaded, whatever file they came from; the settings of every module, by value where a person
would look for them and by digest for all; the checkpoint's configuration and statistics; environment, TensorRT engine,
numerics and software, DreamZero's own code included.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from torch import nn

from arc_fabric.models.contract import LISTS, SCALARS, TENSORS, ModelIdentity

ENGINE_VARIABLE = "LOAD_TRT_ENGINE"
_ENVIRONMENT = (
    "ATTENTION_BACKEND", "NUM_DIT_STEPS", "DYNAMIC_CACHE_SCHEDULE", "ENABLE_TENSORRT", ENGINE_VARIABLE,
    "TORCHDYNAMO_DISABLE", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)  # fmt: skip
_SOFTWARE = ("torch", "transformers", "diffusers", "flash-attn", "transformer-engine", "tensorrt", "numpy")
_HEAD = (
    "num_inference_steps", "dynamic_cache_schedule", "cfg_scale", "sigma_shift", "denoising_strength", "ip_size",
    "num_frames", "num_frame_per_block", "action_horizon",
)  # fmt: skip
_TRANSFORMER = ("local_attn_size", "frame_seqlen")
_CONFIGURATION = (
    "decouple_inference_noise", "video_inference_final_noise", "target_video_height", "target_video_width"
)  # fmt: skip
_STATE = (*TENSORS, *LISTS, *SCALARS, "skip_countdown", "global_step", "max_steps", "trt_engine")
"""Of the head: what calls write, and what is part of a snapshot."""
_IDLE = ("training", "gradient_checkpointing", "use_gradient_checkpointing", "tune_projector", "tune_diffusion_model")
"""What only training reads."""


def identity_of_vla(
    vla: Any, weights_digest: str, device: torch.device, files: Mapping[str, str] | None = None
) -> ModelIdentity:
    """The identity of a loaded VLA; `files` has digests of what its transforms were made from."""
    head = vla.action_head
    config = {name: _plain(getattr(head.config, name, None)) for name in _CONFIGURATION}
    sampler = {name: _plain(getattr(head, name)) for name in _HEAD if hasattr(head, name)}
    sampler |= {name: _plain(getattr(head.model, name)) for name in _TRANSFORMER} | config
    sampler |= {
        "dit_step_mask": "".join("x" if run else "." for run in head.dit_step_mask),
        "modules": settings_digest(vla),
        "files": dict(files or {}),
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "engine": _engine_digest(),
        "numerics": _numerics(device),
    }
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    backend = os.environ.get("ATTENTION_BACKEND", "default")
    dtype = str(next(head.model.parameters()).dtype).removeprefix("torch.")
    return ModelIdentity("dreamzero", weights_digest, dtype, backend, kind, sampler, _versions())


def settings_digest(module: nn.Module) -> str:
    """SHA-256 over the plain attributes (numbers, texts, flags, tuples of them) of all its parts, hex: sizes, windows,
    epsilons, factors, whatever they are called."""
    found: dict[str, Any] = {}
    for path, part in module.named_modules():
        idle = (*_IDLE, *_STATE) if hasattr(part, "current_start_frame") else _IDLE
        for name, value in vars(part).items():
            if not name.startswith("_") and not name.endswith("_path") and name not in idle and _is_plain(value):
                found[f"{path}.{name}"] = _plain(value)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def parameters_digest(module: nn.Module) -> str:
    """BLAKE3 over names, dtypes, shapes and bytes of all parameters and buffers, hex: the weights as loaded, from the
    checkpoint or from Wan's own files, adapters merged."""
    hasher = blake3(max_threads=blake3.AUTO)
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            hasher.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            hasher.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def files_digests(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """name -> BLAKE3 of the file, hex."""
    return {name: blake3((directory / name).read_bytes()).hexdigest() for name in names}


def _engine_digest() -> str | None:
    """Of the TensorRT engine's bytes: a new build under the old name is another model."""
    path = os.environ.get(ENGINE_VARIABLE)
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest() if path and Path(path).is_file() else None


def _numerics(device: torch.device) -> dict[str, Any]:
    """How this process multiplies matrices."""
    found: dict[str, Any] = {"float32_matmul": torch.get_float32_matmul_precision()}
    found["deterministic"] = torch.are_deterministic_algorithms_enabled()
    if device.type != "cuda":
        return found | {"threads": torch.get_num_threads(), "cpu": torch.backends.cpu.get_cpu_capability()}
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    found |= {name: getattr(matmul, name) for name in
              ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")}  # fmt: skip
    found |= {f"cudnn_{name}": getattr(cudnn, name) for name in ("benchmark", "deterministic", "allow_tf32")}
    return found | {"cuda": torch.version.cuda, "cudnn": cudnn.version()}


def _versions() -> dict[str, str]:
    found = {}
    for name in _SOFTWARE:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    code = _code_digest()
    return found | ({"groot": code} if code else {})


def _code_digest() -> str:
    """BLAKE3 over DreamZero's own model code, from wherever it was imported; empty where it was not."""
    package = sys.modules.get("groot.vla.model.dreamzero")
    hasher, files = (
        blake3(),
        [f for place in getattr(package, "__path__", ()) for f in sorted(Path(place).rglob("*.py"))],
    )
    for file in files:
        hasher.update(file.name.encode() + b"\0" + file.read_bytes())
    return hasher.hexdigest() if files else ""


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str))


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value
