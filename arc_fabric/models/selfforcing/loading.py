"""Loading a pipeline through its own classes: its configuration, the base model's files, a checkpoint.

Written from the checkouts' own `inference.py`; run on files in its form at toy size (tests/selfforcing), not with
trained weights.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

import torch

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.fingerprints import files_digests, parameters_digest
from arc_fabric.models.selfforcing.model import SelfForcingModel
from arc_fabric.models.selfforcing.source import checkout, import_pipeline

SIZE = 480, 832
"""Height and width that the released checkpoints were trained for."""


def load(place: str, device: str = "cuda:0") -> SelfForcingModel:
    """`<config.yaml>#<checkpoint.pt>`, files as the checkout's `inference.py` takes them. The base model lies in the
    checkout's `wan_models`. Raises ModelUnavailable."""
    given, _, weights = place.partition("#")
    config, checkpoint = Path(given).resolve(), Path(weights).resolve() if weights else None
    where = torch.device(device)
    if where.type == "cuda" and not torch.cuda.is_available():
        raise ModelUnavailable("There is no GPU for this pipeline.", hint="A 1.3B model needs about 30 GB of memory.")
    source, maker = checkout(), import_pipeline()
    if missing := [str(file) for file in (config, checkpoint) if file and not file.is_file()]:
        raise ModelUnavailable(f"{', '.join(missing)} is no file.", hint="Name <config.yaml>#<checkpoint.pt>.")
    with chdir(source):
        pipeline = _made(maker, config, checkpoint, where)
    files = files_digests(config.parent, [config.name])
    return SelfForcingModel(
        pipeline, image_size=SIZE, device=where, weights_digest=parameters_digest(pipeline), files=files
    )


def _made(maker: Any, config_path: Path, checkpoint: Path | None, device: torch.device) -> Any:
    from omegaconf import OmegaConf

    try:
        config = OmegaConf.merge(OmegaConf.load("configs/default_config.yaml"), OmegaConf.load(config_path))
        pipeline = maker(config, device=device)
        if checkpoint:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
            found = [name for name in ("generator_ema", "generator") if name in state]
            if not found:
                raise KeyError(f"{checkpoint.name} has neither generator_ema nor generator: it has {', '.join(state)}")
            pipeline.generator.load_state_dict(state[found[0]])
    except Exception as error:  # foreign code: files, shapes, configuration; the cause is chained
        raise ModelUnavailable(
            f"The checkout's own loader refused {config_path}: {type(error).__name__}: {error}",
            hint="Check that inference.py of the checkout runs with this configuration and checkpoint.",
        ) from error
    return pipeline.to(device=device, dtype=torch.bfloat16).eval().requires_grad_(False)
