"""Loading a DreamZero checkpoint through its own policy class, in one process on one GPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.checkpoint import weight_files, weights_digest
from arc_fabric.models.dreamzero.model import DreamZeroModel
from arc_fabric.models.dreamzero.policy import DROID, PolicyTransforms

SOURCE_VARIABLE = "ARC_FABRIC_DREAMZERO_SRC"
RESERVE_BYTES = 24 << 30
"""Device memory beside the weights: one session's KV, what a call holds for a while, activations (14B; see
docs/dreamzero.md)."""


def load(checkpoint_dir: str, device: str = "cuda:0") -> DreamZeroModel:
    """Load the VLA (full or LoRA checkpoints, 14B or 5B backbone) in bf16 onto `device`.

    Raises ModelUnavailable when groot is not installed, files are missing, there is no GPU or it is too small.
    """
    directory = Path(checkpoint_dir)
    files = weight_files(directory)
    where = torch.device(device)
    _require_gpu(where, sum(file.stat().st_size for file in files))
    groot = _import_groot()
    torch.cuda.set_device(where)
    torch._dynamo.config.recompile_limit = max(800, torch._dynamo.config.recompile_limit)
    if not dist.is_initialized():
        # The policy asks for a rank; a store in this process's memory needs no port.
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        policy = groot["GrootSimPolicy"](groot["EmbodimentTag"](DROID.tag), str(directory), device=str(where))
    except torch.OutOfMemoryError as error:
        raise ModelUnavailable(f"{where} ran out of memory while loading {directory}: {error}") from error
    except (OSError, AssertionError, KeyError, ValueError) as error:
        raise ModelUnavailable(
            f"DreamZero's own loader refused {directory}: {type(error).__name__}: {error}",
            hint="Check that the checkpoint and the installed DreamZero belong together (docs/dreamzero.md).",
        ) from error
    transforms = PolicyTransforms(policy, groot["Batch"], _camera_resolution(policy))
    size = _image_size(policy.trained_model.action_head, transforms)
    return DreamZeroModel(
        policy.trained_model, transforms, image_size=size, weights_digest=weights_digest(files), device=where
    )


def _require_gpu(device: torch.device, weight_bytes: int) -> None:
    if device.type != "cuda" or not torch.cuda.is_available():
        raise ModelUnavailable(
            f"DreamZero runs on an NVIDIA GPU only; the device is {device}.",
            hint="Set devices = 'cuda:0,cuda:1', or use the tabletop model on a CPU.",
        )
    free, total = torch.cuda.mem_get_info(device)
    needed = weight_bytes + RESERVE_BYTES
    if free < needed:
        raise ModelUnavailable(
            f"{device} has {free >> 30} GiB free of {total >> 30}; this checkpoint needs about {needed >> 30} GiB.",
            hint="End other processes on this GPU, or use a larger one.",
            free=free,
            needed=needed,
        )


def _import_groot() -> dict[str, Any]:
    """GrootSimPolicy, EmbodimentTag and tianshou's Batch, from the installed package or ARC_FABRIC_DREAMZERO_SRC."""
    source = os.environ.get(SOURCE_VARIABLE)
    if source and source not in sys.path:
        sys.path.insert(0, source)
    try:
        from groot.vla.data.schema import EmbodimentTag
        from groot.vla.model.n1_5.sim_policy import GrootSimPolicy
        from tianshou.data import Batch
    except ImportError as error:
        raise ModelUnavailable(
            f"DreamZero's code cannot be imported: {error}.",
            hint=f"Install github.com/dreamzero0/dreamzero, or set {SOURCE_VARIABLE} to a checkout of it.",
        ) from error
    return {"GrootSimPolicy": GrootSimPolicy, "EmbodimentTag": EmbodimentTag, "Batch": Batch}


def _camera_resolution(policy: Any) -> tuple[int, int]:
    """(height, width) that the checkpoint's transforms expect of one camera; they state (width, height)."""
    for transform in policy.eval_transform.transforms:
        stated = getattr(transform, "original_resolutions", None)
        if stated:
            width, height = next(iter(stated.values()))
            return int(height), int(width)
    raise ModelUnavailable("The checkpoint's transforms state no camera resolution.")


def _image_size(head: Any, transforms: PolicyTransforms) -> tuple[int, int]:
    """(height, width) of what the VAE decodes to: the head's own target, or the mosaic that the transforms make."""
    target = getattr(head.config, "target_video_height", None), getattr(head.config, "target_video_width", None)
    if None not in target:
        return int(target[0]), int(target[1])
    height, width, _ = transforms.compose(np.zeros((0, 1, 1, 3), np.uint8)).shape
    return height, width
