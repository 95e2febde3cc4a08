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
    """Sizes of the running model, read once per request; empty before the first worker is up."""
    if "geometry" not in g:
        found = ctx().ledger.model_card().get("geometry")
        g.geometry = found if isinstance(found, dict) else {}
    return g.geometry


def model_fps() -> float:
    """Frames per second of the model's video."""
    return float(geometry().get("fps", 8.0))


@lru_cache(maxsize=1)
def sample_names() -> tuple[str, ...]:
    """The pictures that ship with the model."""
    return tuple(sorted(path.stem for path in _SAMPLES.glob("*.png")))


def sample_png(name: str) -> bytes:
    """One of them."""
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
