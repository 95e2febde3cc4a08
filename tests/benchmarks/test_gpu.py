"""The benchmark for GPUs: its parts at toy size on the CPU, and its refusal where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from arc_fabric.store.backends import MemoryBackend
from benchmarks._gpu.copies import Sink, copies
from benchmarks._gpu.rebuild import rebuild
from benchmarks._gpu.stepping import stepping
from benchmarks._snapshot.world import Shape
from benchmarks.gpu import refuse
from benchmarks.rows import NOT_HERE, Report
from tests.support.toy_model import ToyModel

ROOT = Path(__file__).resolve().parents[2]
TOY = Shape(2, 8, 2, (4, 4, 4), (1, 4, 9, 4, 4))


def test_copies_through_the_store_and_plainly() -> None:
    """Every rate is there, and the store moved the whole state each time."""
    report = Report("gpu")
    copies(report, TOY, "cpu", frames=3, rounds=1)
    off, on = report.rows
    assert set(off.baselines) == {"store_GB_per_s", "pinned_copy_GB_per_s", "cpu_clone_GB_per_s", "bytes"}
    assert set(on.baselines) == {"store_GB_per_s", "pinned_copy_GB_per_s", "bytes"}
    assert off.baselines["bytes"] == 3 * TOY.frame_bytes()
    assert off.value == pytest.approx(off.baselines["pinned_copy_GB_per_s"] / off.baselines["store_GB_per_s"])


def test_storage_that_costs_nothing_keeps_all_but_the_tensors() -> None:
    """The manifest comes back, the tensors' bytes do not."""
    sink = Sink()
    sink.put("checkpoints/a/tensors.safetensors", b"1234")
    sink.put("checkpoints/a/manifest.json", b"{}")
    assert sink.get("checkpoints/a/manifest.json") == b"{}"
    assert sink.stat("checkpoints/a/tensors.safetensors").size == 0


def test_a_rebuild_is_held_against_both_loads() -> None:
    """On the toy model: the bits are the original's, and three times are told."""
    report = Report("gpu")
    rebuild(report, MemoryBackend(), ToyModel(), rounds=1)
    same, host, cold = report.rows
    assert same.ok and same.value == 1.0
    assert host.baselines["latent_frames"] == 7 and host.baselines["bytes"] > 0
    assert host.value == pytest.approx(host.baselines["rebuild_s"] / host.baselines["from_host_memory_s"])
    assert cold.value == pytest.approx(host.baselines["rebuild_s"] / host.baselines["from_object_storage_s"])


def test_steps_per_second() -> None:
    """With and without checkpoints."""
    report = Report("gpu")
    stepping(report, MemoryBackend(), ToyModel(), windows=1)
    (row,) = report.rows
    assert row.value > 0 and row.baselines["with_a_checkpoint_per_step"] > 0
    assert row.baselines["frames_per_second"] == pytest.approx(8 * row.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    """Status 3, one sentence with what to do, no table."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == NOT_HERE and done.stdout == ""
    assert "no CUDA" in done.stderr and "nvidia-smi" in done.stderr and "Traceback" not in done.stderr
    assert "cpu is none" in refuse("cpu", 40, 7)
