"""What is in a DreamZero's identity. Runs everywhere: on stand-ins with the attributes of the real classes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from arc_fabric.models.contract import ModelIdentity
from arc_fabric.models.dreamzero.identity import ENGINE_VARIABLE, identity_of_vla
from arc_fabric.models.fingerprints import files_digests

CPU = torch.device("cpu")


class Head(nn.Module):
    """What the identity reads of an action head."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(decouple_inference_noise=False, video_inference_final_noise=0.8)
        self.model = nn.Linear(2, 2)
        self.model.local_attn_size, self.model.frame_seqlen = 9, 880
        self.norm = nn.LayerNorm(2)
        self.num_frames, self.action_horizon, self.num_frame_per_block = 33, 24, 2
        self.num_inference_steps, self.cfg_scale, self.sigma_shift, self.ip_size = 16, 5.0, 5.0, 1
        self.dit_step_mask, self.dynamic_cache_schedule = [True, False], False
        self.current_start_frame, self.seed, self.skip_countdown, self.language = 0, 1140, 0, None


def identity(head: Head, **more: Any) -> ModelIdentity:
    """Of a VLA with this head."""
    vla = nn.Module()
    vla.action_head = head
    return identity_of_vla(vla, "weights", CPU, **more)


def test_what_a_call_writes_is_no_part_of_it() -> None:
    """The same before and after, and under another seed, which a snapshot has of its own."""
    head = Head()
    before = identity(head)
    head.current_start_frame, head.seed, head.skip_countdown = 5, 7, 3
    head.train()
    assert identity(head) == before


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("config", "decouple_inference_noise", True),
        ("config", "video_inference_final_noise", 0.9),
        ("", "num_frames", 29),
        ("", "action_horizon", 12),
        ("", "dit_step_mask", [True, True]),
        ("", "a_setting_of_a_later_release", 1),
        ("model", "local_attn_size", 7),
        ("model", "frame_seqlen", 50),
        ("norm", "eps", 1e-6),
    ],
)
def test_every_setting_is_part_of_it(part: str, name: str, value: object) -> None:
    """By name where a person looks for it; of all modules by digest."""
    head = Head()
    before = identity(head)
    setattr(getattr(head, part) if part else head, name, value)
    assert identity(head).digest() != before.digest()


def test_the_engines_bytes_are_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TensorRT engine that is built anew under its old name is another model."""
    engine = tmp_path / "engine.trt"
    engine.write_bytes(b"one")
    monkeypatch.setenv(ENGINE_VARIABLE, str(engine))
    before = identity(Head())
    engine.write_bytes(b"two")
    assert identity(Head()) != before


@pytest.mark.parametrize("name", ["config.json", "experiment_cfg/conf.yaml", "experiment_cfg/metadata.json"])
def test_the_checkpoints_configuration_is_part_of_it(checkpoint: Path, name: str) -> None:
    """config.json, the transforms' configuration and the statistics by which states are normalised."""
    names = ("config.json", "experiment_cfg/conf.yaml", "experiment_cfg/metadata.json")
    before = identity(Head(), files=files_digests(checkpoint, names))
    (checkpoint / name).write_text('{"other": 1}')
    assert identity(Head(), files=files_digests(checkpoint, names)) != before


def test_numerics_are_part_of_it() -> None:
    """How this process multiplies matrices."""
    before = identity(Head())
    torch.set_float32_matmul_precision("medium")
    try:
        assert identity(Head()) != before
    finally:
        torch.set_float32_matmul_precision("highest")
