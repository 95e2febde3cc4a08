"""What of a loaded model goes into its identity, whatever model it is: weights, settings, numerics, software, code."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from torch import nn

IDLE = ("training", "gradient_checkpointing", "use_gradient_checkpointing", "tune_projector", "tune_diffusion_model")
"""Attributes of modules that only training reads."""


def settings_digest(module: nn.Module, ignored: Iterable[str] = ()) -> str:
    """SHA-256 over the plain attributes (numbers, texts, flags, tuples of them) of all its parts, hex: sizes, windows,
    epsilons, factors, whatever they are called. `ignored`: names, of parts that have `current_start_frame`, which calls
    write."""
    found: dict[str, Any] = {}
    state = tuple(ignored)
    for path, part in module.named_modules():
        idle = (*IDLE, *state) if hasattr(part, "current_start_frame") else IDLE
        for name, value in vars(part).items():
            if not name.startswith("_") and not name.endswith("_path") and name not in idle and is_plain(value):
                found[f"{path}.{name}"] = plain(value)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def parameters_digest(module: nn.Module) -> str:
    """BLAKE3 over names, dtypes, shapes and bytes of all parameters and buffers, hex: the weights as loaded, from the
    checkpoint or from elsewhere, adapters merged."""
    hasher = blake3(max_threads=blake3.AUTO)
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            hasher.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            hasher.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def numerics(device: torch.device) -> dict[str, Any]:
    """How this process multiplies matrices."""
    found: dict[str, Any] = {"float32_matmul": torch.get_float32_matmul_precision()}
    found["deterministic"] = torch.are_deterministic_algorithms_enabled()
    if device.type != "cuda":
        return found | {"threads": torch.get_num_threads(), "cpu": torch.backends.cpu.get_cpu_capability()}
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    found |= {name: getattr(matmul, name) for name in
              ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")}  # fmt: skip
    found |= {f"cudnn_{name}": getattr(cudnn, name) for name in ("benchmark", "deterministic", "allow_tf32")}
    return found | {"cuda": torch.version.cuda, "cudnn": cudnn.version()}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_digest(*packages: str) -> str:
    """BLAKE3 over the Python files of packages, from wherever they were imported; empty where none was."""
    hasher, count = blake3(), 0
    for package in packages:
        for place in getattr(sys.modules.get(package), "__path__", ()):
            for file in sorted(Path(place).rglob("*.py")):
                count += 1
                hasher.update(file.name.encode() + b"\0" + file.read_bytes())
    return hasher.hexdigest() if count else ""


def files_digests(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """name -> BLAKE3 of the file, hex."""
    return {name: blake3((directory / name).read_bytes()).hexdigest() for name in names}


def device_kind(device: torch.device) -> str:
    """The GPU's name, or the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def is_plain(value: Any) -> bool:
    """Whether it is a number, text, flag, or a list or tuple of such."""
    if isinstance(value, (tuple, list)):
        return all(map(is_plain, value))
    return isinstance(value, (bool, int, float, str))


def plain(value: Any) -> Any:
    """With lists for tuples, as JSON has it."""
    return [plain(part) for part in value] if isinstance(value, (tuple, list)) else value
