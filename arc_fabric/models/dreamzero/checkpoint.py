"""A DreamZero checkpoint directory: is it whole, how large is it, which weights are these? Pure, without torch.

experiment_cfg/conf.yaml, experiment_cfg/metadata.json    training configuration, normalisation statistics
config.json                                               the model's configuration
model.safetensors, or model.safetensors.index.json and its shards
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from blake3 import blake3

from arc_fabric.errors import ModelUnavailable

REQUIRED = ("experiment_cfg/conf.yaml", "experiment_cfg/metadata.json", "config.json")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_HINT = "Download it whole, for example: hf download GEAR-Dreams/DreamZero-DROID --local-dir <dir>."


def weight_files(directory: Path) -> list[Path]:
    """The weight files, sorted, after checking that nothing is missing. Raises ModelUnavailable."""
    if not directory.is_dir():
        raise ModelUnavailable(f"There is no DreamZero checkpoint directory {directory}.", hint=_HINT)
    shards = _shards(directory)
    missing = [name for name in (*REQUIRED, *shards) if not (directory / name).is_file()]
    if missing:
        raise ModelUnavailable(
            f"The DreamZero checkpoint {directory} is not complete: {', '.join(missing)} missing.",
            hint=_HINT,
            missing=missing,
        )
    return [directory / name for name in shards]


def holds_lora_only(directory: Path) -> bool:
    """Whether it was trained with `save_lora_only: true`: its base weights come from where config.json says."""
    configuration = (directory / REQUIRED[0]).read_text()
    return re.search(r"^save_lora_only:\s*true\s*(#.*)?$", configuration, re.MULTILINE | re.IGNORECASE) is not None


def weights_digest(files: list[Path]) -> str:
    """BLAKE3 over the names and contents of the weight files, hex. Reads everything, on all cores."""
    hasher = blake3(max_threads=blake3.AUTO)
    for file in files:
        hasher.update(file.name.encode())
        hasher.update_mmap(file)
    return hasher.hexdigest()


def _shards(directory: Path) -> list[str]:
    index = directory / INDEX
    if not index.is_file():
        return [WEIGHTS]
    try:
        return sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelUnavailable(f"{index} is not a safetensors index: {error}.", hint=_HINT) from error
