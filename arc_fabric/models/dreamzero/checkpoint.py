"""A DreamZero checkpoint directory: is it whole, what does it hold? Pure, without torch.

experiment_cfg/conf.yaml, experiment_cfg/metadata.json    training configuration, normalisation statistics
config.json                                               the model's configuration
model.safetensors, or model.safetensors.index.json and its shards
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.shards import problems

REQUIRED = ("experiment_cfg/conf.yaml", "experiment_cfg/metadata.json", "config.json")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_HINT = "Download it whole, for example: hf download GEAR-Dreams/DreamZero-DROID --local-dir <dir>."


def weight_files(directory: Path) -> list[Path]:
    """The weight files, sorted, after checking that nothing is missing, cut off, of another set or at odds with the
    index. Raises ModelUnavailable."""
    if not directory.is_dir():
        raise ModelUnavailable(f"There is no DreamZero checkpoint directory {directory}.", hint=_HINT)
    index = _index(directory)
    shards = [WEIGHTS] if index is None else sorted(set(index.values()))
    missing = [name for name in (*REQUIRED, *shards) if not (directory / name).is_file()]
    if missing:
        raise ModelUnavailable(
            f"The DreamZero checkpoint {directory} is not complete: {', '.join(missing)} missing.",
            hint=_HINT,
            missing=missing,
        )
    files = [directory / name for name in shards]
    if wrong := problems(directory, index, files):
        raise ModelUnavailable(
            f"The weight files of the DreamZero checkpoint {directory} do not belong together: {'; '.join(wrong)}.",
            hint=f"Delete its *.safetensors files and the index. {_HINT}",
            problems=wrong,
        )
    return files


def holds_lora_only(directory: Path) -> bool:
    """Whether it was trained with `save_lora_only: true`: its base weights come from where config.json says."""
    configuration = (directory / REQUIRED[0]).read_text()
    return re.search(r"^save_lora_only:\s*true\s*(#.*)?$", configuration, re.MULTILINE | re.IGNORECASE) is not None


def _index(directory: Path) -> dict[str, str] | None:
    """Weight -> file name; None without an index, for a single file."""
    index = directory / INDEX
    if not index.is_file():
        return None
    try:
        places = {str(weight): str(name) for weight, name in json.loads(index.read_text())["weight_map"].items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelUnavailable(f"{index} is not a safetensors index: {error}.", hint=_HINT) from error
    if not places or any(Path(name).name != name for name in places.values()):
        raise ModelUnavailable(f"{index} is not a safetensors index: it names no files beside it.", hint=_HINT)
    return places
