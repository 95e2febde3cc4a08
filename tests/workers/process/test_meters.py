"""What a worker says of its device and machine."""

from __future__ import annotations

import psutil
import pytest
import torch

from workers.process.meters import GpuMeter, machine


def test_the_machine_has_a_load_and_memory() -> None:
    """In percent and bytes of the whole machine."""
    machine()
    facts = machine()
    assert 0 <= facts["cpu_percent"] <= 100
    assert 0 < facts["memory_used_bytes"] < facts["memory_total_bytes"] == psutil.virtual_memory().total


def test_a_cpu_has_no_gpu_figures() -> None:
    """Null, so that a reader need not guess."""
    assert GpuMeter(torch.device("cpu")).read() is None


def test_a_device_in_trouble_is_told_once_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """A heartbeat must not end because a driver does not answer."""
    if torch.cuda.is_available():
        pytest.skip("this machine's CUDA works")
    meter = GpuMeter(torch.device("cuda:0"))
    assert meter.read() is None
    assert meter.read() is None
    assert len(caplog.records) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_read() -> None:
    """Memory always, the percentage where NVML is there."""
    facts = GpuMeter(torch.device("cuda:0")).read()
    assert facts is not None
    assert 0 < facts["memory_used_bytes"] <= facts["memory_total_bytes"]
    assert facts["utilisation_percent"] is None or 0 <= facts["utilisation_percent"] <= 100
