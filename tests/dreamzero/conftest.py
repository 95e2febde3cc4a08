"""A directory that looks like a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from arc_fabric.models.dreamzero.checkpoint import REQUIRED


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A directory that looks like a checkpoint with two shards."""
    for name in REQUIRED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for shard, names in ((1, "ac"), (2, "b")):
        save_file({name: torch.full((25,), float(shard)) for name in names}, tmp_path / f"model-{shard}.safetensors")
    return tmp_path
