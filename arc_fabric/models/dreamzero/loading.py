"""Loading a DreamZero checkpoint through its own policy class, in one process on one GPU."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.checkpoint import REQUIRED, holds_lora_only, weight_files
from arc_fabric.models.dreamzero.filling import Loads, watched_loads
from arc_fabric.models.dreamzero.memory import MemoryPlan, plan_of, shortage
from arc_fabric.models.dreamzero.model import DreamZeroModel
from arc_fabric.models.dreamzero.policy import DROID, PolicyTransforms, embodiment_of, tag_of
from arc_fabric.models.dreamzero.shards import shown
from arc_fabric.models.dreamzero.source import import_groot
from arc_fabric.models.fingerprints import files_digests, parameters_digest

log = logging.getLogger(__name__)
_TRANSFORMER = "action_head.model."


def load(
    checkpoint_dir: str, device: str = "cuda:0", made_as: Callable[..., DreamZeroModel] = DreamZeroModel
) -> DreamZeroModel:
    """Load the VLA (full or LoRA checkpoints, 14B or 5B backbone) in bf16 onto `device`. `#<robot>` after the directory
    names one of several that it was trained for. `made_as`: what is made of it (see `ranks`).

    Raises ModelUnavailable when groot is not installed, files are missing, there is no GPU or it is too small.
    """
    place, _, wanted = checkpoint_dir.partition("#")
    directory = Path(place)
    files = weight_files(directory)
    where = torch.device(device)
    _require_gpu(where, plan_of(directory, files))
    metadata = json.loads((directory / "experiment_cfg/metadata.json").read_text())
    tag = tag_of(metadata, wanted)
    groot = import_groot()
    torch.cuda.set_device(where)
    torch._dynamo.config.recompile_limit = max(800, torch._dynamo.config.recompile_limit)
    if not dist.is_initialized():
        # The policy asks for a rank; a store in this process's memory needs no port.
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    policy = load_policy(groot, directory, where, tag)
    embodiment = embodiment_of(tag, policy, metadata)
    transforms = PolicyTransforms(policy, groot["Batch"], _camera_resolution(policy), embodiment)
    vla = policy.trained_model
    size = _image_size(vla.action_head, transforms)
    digests = files_digests(directory, REQUIRED)
    return made_as(vla, transforms, image_size=size, weights_digest=parameters_digest(vla), device=where, files=digests)


def load_policy(groot: Mapping[str, Any], directory: Path, device: torch.device, tag: str = DROID.tag) -> Any:
    """DreamZero's GrootSimPolicy with its model on the device. Raises ModelUnavailable whatever its loader raised, and
    where it only printed that weights were missing or had no place."""
    try:
        with watched_loads() as loads:
            policy = groot["GrootSimPolicy"](groot["EmbodimentTag"](tag), str(directory), device=str(device))
    except torch.OutOfMemoryError as error:
        raise ModelUnavailable(
            f"{device} ran out of memory while loading {directory}: {error}",
            hint="End other processes on this GPU; conf.yaml should say eval_bf16: true (fp32 takes twice as much).",
        ) from error
    except Exception as error:  # foreign code: files, shapes, configuration, downloads; the cause is chained
        raise ModelUnavailable(
            f"DreamZero's own loader refused {directory}: {type(error).__name__}: {error}",
            hint="Check that the checkpoint and the installed DreamZero belong together, and that the Wan base weights "
            "which config.json names are there or can be downloaded (docs/how-to/dreamzero.md).",
        ) from error
    _require_filled(loads, policy.trained_model, directory)
    return policy


def _require_filled(loads: Loads, vla: torch.nn.Module, directory: Path) -> None:
    """Every parameter must have come from a file (of LoRA models the transformer's, with its adapters). What a file has
    beside them is an error within the transformer, which config.json describes, and is logged elsewhere."""
    missing, unplaced = loads.unfilled(vla), loads.unplaced(vla)
    architecture = getattr(getattr(vla, "action_head", None), "train_architecture", "full")
    if architecture == "lora" or holds_lora_only(directory):
        missing = {name for name in missing if name.startswith(_TRANSFORMER)}
    extra = {name for name in unplaced if name.startswith(_TRANSFORMER)}
    if ignored := unplaced - extra:
        log.warning("%d weights of %s are of parts that this model lacks: %s", len(ignored), directory, shown(ignored))
    wrong = [f"{len(missing)} weights of the model came from none of its files ({shown(missing)})"] if missing else []
    wrong += [f"{len(extra)} weights in its files have no place in the model ({shown(extra)})"] if extra else []
    if wrong:
        raise ModelUnavailable(
            f"The DreamZero checkpoint {directory} does not fit the model that its config.json describes: "
            f"{'; '.join(wrong)}.",
            hint="Its files are incomplete or of another version: download the whole directory anew, and take the "
            "release of DreamZero that it was trained with (docs/how-to/dreamzero.md).",
            missing=sorted(missing)[:100],
            unexpected=sorted(extra)[:100],
        )


def _require_gpu(device: torch.device, plan: MemoryPlan) -> None:
    if device.type != "cuda" or not torch.cuda.is_available():
        raise ModelUnavailable(
            f"DreamZero runs on an NVIDIA GPU only; the device is {device}.",
            hint="Set devices = 'cuda:0,cuda:1', or use the tabletop model on a CPU.",
        )
    free, total = torch.cuda.mem_get_info(device)
    if short := shortage(plan, free, total, device):
        hint = "End other processes on this GPU, or use a larger one."
        raise ModelUnavailable(short, hint=hint, free=free, needed=plan.total)


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
    tall, wide = (getattr(head.config, f"target_video_{side}", None) for side in ("height", "width"))
    if tall is not None and wide is not None:
        return int(tall), int(wide)
    height, width, _ = transforms.compose(np.zeros((0, 1, 1, 3), np.uint8)).shape
    return height, width
