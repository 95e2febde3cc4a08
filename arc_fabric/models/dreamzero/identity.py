"""What must be equal for a DreamZero state to go on with the same bits: everything that takes part in a call.

The weights as they were loaded, whatever file they came from; the settings of every module, by value where a person
would look for them and by digest for all; the checkpoint's configuration and statistics; environment, TensorRT engine,
numerics and software, DreamZero's own code included.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3

from arc_fabric.models.contract import LISTS, SCALARS, TENSORS, ModelIdentity
from arc_fabric.models.fingerprints import code_digest, device_kind, numerics, plain, settings_digest, versions

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


def identity_of_vla(
    vla: Any, weights_digest: str, device: torch.device, files: Mapping[str, str] | None = None
) -> ModelIdentity:
    """The identity of a loaded VLA; `files` has digests of what its transforms were made from."""
    head = vla.action_head
    config = {name: plain(getattr(head.config, name, None)) for name in _CONFIGURATION}
    sampler = {name: plain(getattr(head, name)) for name in _HEAD if hasattr(head, name)}
    sampler |= {name: plain(getattr(head.model, name)) for name in _TRANSFORMER} | config
    sampler |= {
        "dit_step_mask": "".join("x" if run else "." for run in head.dit_step_mask),
        "modules": settings_digest(vla, _STATE),
        "files": dict(files or {}),
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "engine": _engine_digest(),
        "numerics": numerics(device),
    }
    backend = os.environ.get("ATTENTION_BACKEND", "default")
    code = code_digest("groot.vla.model.dreamzero")
    software = versions(_SOFTWARE) | ({"groot": code} if code else {})
    dtype = str(next(head.model.parameters()).dtype).removeprefix("torch.")
    return ModelIdentity("dreamzero", weights_digest, dtype, backend, device_kind(device), sampler, software)


def _engine_digest() -> str | None:
    """Of the TensorRT engine's bytes: a new build under the old name is another model."""
    path = os.environ.get(ENGINE_VARIABLE)
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest() if path and Path(path).is_file() else None
