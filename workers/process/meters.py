"""How busy the device and the machine of a worker are, for its record.

The utilisation of an NVIDIA device comes from NVML (nvidia-ml-py, through torch, which knows which device the process
was given); where NVML does not answer, that figure is None and the others still come.
"""

from __future__ import annotations

import logging
from typing import Any

import psutil

log = logging.getLogger(__name__)


def machine() -> dict[str, Any]:
    """CPU use of the whole machine since the last call, in percent, and its memory in bytes."""
    memory = psutil.virtual_memory()
    return {
        "cpu_percent": psutil.cpu_percent(None),
        "memory_used_bytes": memory.total - memory.available,
        "memory_total_bytes": memory.total,
    }


class GpuMeter:
    """Reads one device. Says once why something cannot be read, then keeps quiet."""

    def __init__(self, device: Any) -> None:
        """`device` is the model's torch.device."""
        self._device = device
        self._silent = False

    def read(self) -> dict[str, Any] | None:
        """name, utilisation_percent (None without NVML), memory_used_bytes and memory_total_bytes of the whole device;
        None for a device that is not CUDA's."""
        if self._device.type != "cuda":
            return None
        import torch

        try:
            free, total = torch.cuda.mem_get_info(self._device)
            name = torch.cuda.get_device_name(self._device)
        except (RuntimeError, AssertionError) as error:  # a device in trouble, or a torch without CUDA: the jobs say so
            self._tell(error)
            return None
        return {
            "name": name,
            "utilisation_percent": self._utilisation(torch),
            "memory_used_bytes": total - free,
            "memory_total_bytes": total,
        }

    def _utilisation(self, torch: Any) -> int | None:
        try:
            return int(torch.cuda.utilization(self._device))
        except _nvml_errors() as error:
            self._tell(error)
            return None

    def _tell(self, error: Exception) -> None:
        if not self._silent:
            self._silent = True
            log.warning("the device's use cannot be read: %s", error)


def _nvml_errors() -> tuple[type[Exception], ...]:
    """What asking NVML may raise: without its library, without a driver, or for a device that it cannot measure."""
    try:
        from pynvml import NVMLError
    except ImportError:
        return ImportError, RuntimeError
    return ImportError, RuntimeError, NVMLError
