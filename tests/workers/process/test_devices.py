"""Which devices a worker sees, and what it hands to its model's loader."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.registry import load_model
from workers.process.process import DEVICE_VARIABLE
from workers.startup.lifecycle import pin_device
from workers.startup.loading import visible


@pytest.mark.parametrize(
    ("device", "given", "seen", "called"),
    [
        ("cuda:1", None, "1", "cuda:0"),
        ("cuda:1", "5,7", "7", "cuda:0"),
        ("cuda:0+cuda:1", None, "0,1", "cuda:0+cuda:1"),
        ("cuda:2+cuda:3", "4,5,6,7", "6,7", "cuda:0+cuda:1"),
        ("cpu", "0", "", "cpu"),
        ("cpu+cpu", None, "", "cpu+cpu"),
    ],
)
def test_a_worker_sees_its_devices_alone(
    monkeypatch: pytest.MonkeyPatch, device: str, given: str | None, seen: str, called: str
) -> None:
    """One, or those of a model over several, by the names that torch has for them then."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given or "")
    monkeypatch.setenv(DEVICE_VARIABLE, "")
    pin_device.pin("gpu.0", device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen and os.environ[DEVICE_VARIABLE] == device
    assert visible(device) == called


def test_a_model_of_one_device_is_not_loaded_onto_two() -> None:
    """It says so."""
    with pytest.raises(ModelUnavailable, match="runs on one device"):
        load_model("tabletop", "cpu+cpu")


def test_dreamzero_over_two_devices_says_what_is_missing(tmp_path: Path) -> None:
    """By the rank that could not be made; no process is left."""
    with pytest.raises(ModelUnavailable, match=r"Making rank 0 of arc_fabric.models.dreamzero.ranks:shard failed"):
        load_model(f"dreamzero:{tmp_path}", "cpu+cpu")
