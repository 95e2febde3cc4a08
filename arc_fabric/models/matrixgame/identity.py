"""What must be equal for a Matrix-Game 2 state to go on with the same bits: everything that takes part in a call.

Weights of transformer, decoder, encoder and CLIP as they were loaded; the sampler's steps and schedule; sizes of block,
window and sink; for how many frames the first picture is prepared; every setting of every module by digest; numerics,
software and the checkout's own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from blake3 import blake3

from arc_fabric.models.contract import ModelIdentity
from arc_fabric.models.fingerprints import code_digest, device_kind, numerics, settings_digest, versions

_SOFTWARE = ("torch", "diffusers", "flash-attn", "numpy")
_PIPELINE = ("num_frame_per_block", "local_attn_size", "frame_seq_length")


def identity_of_pipeline(
    pipeline: Any, mode: str, frames: int, weights_digest: str, device: torch.device,
    files: Mapping[str, str] | None = None,
) -> ModelIdentity:  # fmt: skip
    """The identity of a loaded pipeline; `files` has digests of the configuration that it was made from."""
    sampler = {name: getattr(pipeline, name) for name in _PIPELINE}
    sampler |= {
        "mode": mode,
        "frames": frames,
        "denoising_steps": pipeline.denoising_step_list.tolist(),
        "schedule": blake3(pipeline.scheduler.sigmas.cpu().double().numpy().tobytes()).hexdigest(),
        "context_noise": pipeline.args.context_noise,
        "sink": pipeline.generator.model.blocks[0].self_attn.sink_size,
        "modules": settings_digest(pipeline),
        "files": dict(files or {}),
        "numerics": numerics(device),
    }
    software = versions(_SOFTWARE)
    code = code_digest("pipeline", "wan", "utils", "demo_utils")
    dtype = str(next(pipeline.generator.parameters()).dtype).removeprefix("torch.")
    backend = "flash" if "flash-attn" in software else "sdpa"
    name, kind = "matrix-game-2", device_kind(device)
    return ModelIdentity(name, weights_digest, dtype, backend, kind, sampler, software | {"code": code})
