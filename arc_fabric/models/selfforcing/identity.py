"""What must be equal for a Self-Forcing state to go on with the same bits: everything that takes part in a call.

Weights of transformer, text encoder and VAE as they were loaded; the sampler's steps and schedule; sizes of block,
window and sink; every setting of every module by digest; how frames are decoded; numerics, software and the checkout's
own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from blake3 import blake3

from arc_fabric.models.contract import ModelIdentity
from arc_fabric.models.fingerprints import code_digest, device_kind, numerics, settings_digest, versions

_SOFTWARE = ("torch", "diffusers", "transformers", "flash-attn", "numpy")
_PIPELINE = ("num_frame_per_block", "local_attn_size", "frame_seq_length", "independent_first_frame", "global_sink")
_STATE = ("current_start_frame",)


def identity_of_pipeline(
    pipeline: Any, name: str, weights_digest: str, device: torch.device, decode_context: int,
    files: Mapping[str, str] | None = None,
) -> ModelIdentity:  # fmt: skip
    """The identity of a loaded pipeline; `files` has digests of the configuration that it was made from."""
    steps = pipeline.denoising_step_list.tolist()
    schedule = blake3(pipeline.scheduler.sigmas.cpu().double().numpy().tobytes()).hexdigest()
    sampler = {name: getattr(pipeline, name) for name in _PIPELINE if hasattr(pipeline, name)}
    sampler |= {
        "denoising_steps": steps,
        "schedule": schedule,
        "context_noise": pipeline.args.context_noise,
        "sink": pipeline.generator.model.blocks[0].self_attn.sink_size,
        "modules": settings_digest(pipeline, _STATE),
        "decode_context": decode_context,
        "files": dict(files or {}),
        "numerics": numerics(device),
    }
    code = code_digest("pipeline", "wan", "utils")
    dtype = str(next(pipeline.generator.parameters()).dtype).removeprefix("torch.")
    backend = "flash" if "flash-attn" in (software := versions(_SOFTWARE)) else "sdpa"
    return ModelIdentity(name, weights_digest, dtype, backend, device_kind(device), sampler, software | {"code": code})
