"""What the web knows of the running model: sizes from the ledger's card, samples from the package's folder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import g

import arc_fabric
from arc_fabric.errors import InvalidImage
from webapp.context import ctx

# By path: importing the model's package would load torch.
_SAMPLES = Path(arc_fabric.__file__).parent / "models" / "tabletop" / "samples"


def geometry() -> dict[str, Any]:
    """Sizes of the running model; empty before the first worker is up."""
    return _part("geometry")


def abilities() -> dict[str, Any]:
    """What the running model can do; empty before the first worker is up."""
    return _part("abilities")


def observed_counts(sizes: dict[str, Any] | None = None) -> list[int]:
    """How many real frames per step the running model (or one of these sizes) takes; empty before one runs."""
    sizes = geometry() if sizes is None else sizes
    if not sizes:
        return []
    usual = sizes.get("observed_frames") or sizes["frames_per_step"]
    return sorted({usual, *sizes.get("observed_counts", ())})


def _part(name: str) -> dict[str, Any]:
    """A part of the model card, which is read once per request."""
    if "model_card" not in g:
        g.model_card = ctx().ledger.model_card.read()
    found = g.model_card.get(name)
    return found if isinstance(found, dict) else {}


def model_fps() -> float:
    """Frames per second of the model's video."""
    return float(geometry().get("fps", 8.0))


@lru_cache(maxsize=1)
def sample_names() -> tuple[str, ...]:
    """The pictures that ship with the model."""
    return tuple(sorted(path.stem for path in _SAMPLES.glob("*.png")))


def sample_png(name: str) -> bytes:
    """A sample picture by its name, as PNG. Raises InvalidImage."""
    check_sample(name)
    return (_SAMPLES / f"{name}.png").read_bytes()


def check_sample(name: str) -> None:
    """Raise InvalidImage unless a sample has this name."""
    if name not in sample_names():
        raise InvalidImage(
            f"there is no sample {name[:80]!r}",
            hint=f"GET /api/samples lists them: {', '.join(sample_names()) or 'none are installed'}.",
            samples=list(sample_names()),
        )
