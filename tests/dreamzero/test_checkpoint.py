"""Loading says what is missing. Runs everywhere: without DreamZero, without a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.checkpoint import REQUIRED, weight_files, weights_digest
from arc_fabric.models.registry import load_model


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A directory that looks like a checkpoint with two shards."""
    for name in REQUIRED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for shard in (1, 2):
        (tmp_path / f"model-{shard}.safetensors").write_bytes(bytes([shard]) * 100)
    return tmp_path


def test_a_missing_directory_is_named() -> None:
    """Through the registry, as a user meets it."""
    with pytest.raises(ModelUnavailable, match="/nowhere") as caught:
        load_model("dreamzero:/nowhere", "cuda:0")
    assert "huggingface-cli" in caught.value.what_to_do


@pytest.mark.parametrize("name", [*REQUIRED, "model-2.safetensors"])
def test_a_missing_file_is_named(checkpoint: Path, name: str) -> None:
    """Each of those that loading needs."""
    (checkpoint / name).unlink()
    with pytest.raises(ModelUnavailable) as caught:
        weight_files(checkpoint)
    assert caught.value.context["missing"] == [name]


def test_a_broken_index_is_named(checkpoint: Path) -> None:
    """Not a traceback from json."""
    (checkpoint / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelUnavailable, match="not a safetensors index"):
        weight_files(checkpoint)


def test_the_digest_is_of_the_contents(checkpoint: Path) -> None:
    """One byte changes it."""
    files = weight_files(checkpoint)
    assert [file.name for file in files] == ["model-1.safetensors", "model-2.safetensors"]
    before = weights_digest(files)
    assert weights_digest(files) == before
    files[1].write_bytes(bytes([2]) * 99 + b"x")
    assert weights_digest(files) != before


def test_a_cpu_is_refused(checkpoint: Path) -> None:
    """DreamZero's code names CUDA throughout."""
    with pytest.raises(ModelUnavailable, match="NVIDIA GPU"):
        load_model(f"dreamzero:{checkpoint}", "cpu")
