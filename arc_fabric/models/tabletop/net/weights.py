"""The weights file: safetensors, float16, one prefix per part: "vae/" and "dit/"."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

WEIGHTS = Path(__file__).parents[1] / "weights.safetensors"
"""The weights that ship with the package."""


def export(path: Path, **parts: dict[str, Tensor]) -> None:
    """Write these parts as float16, keeping the other parts that the file already has."""
    tensors = load_file(path) if path.exists() else {}
    for part, state in parts.items():
        tensors = {k: v for k, v in tensors.items() if not k.startswith(f"{part}/")}
        tensors |= {f"{part}/{k}": v.detach().cpu().to(torch.float16).contiguous() for k, v in state.items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    temporary.chmod(0o644)
    temporary.replace(path)


def load_part(path: Path, part: str) -> dict[str, Tensor]:
    """One part as float32 tensors; empty if the file lacks it."""
    prefix = f"{part}/"
    return {k.removeprefix(prefix): v.float() for k, v in load_file(path).items() if k.startswith(prefix)}


def digest(path: Path) -> str:
    """SHA-256 of the file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
