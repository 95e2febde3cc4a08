"""Where Matrix-Game 2's own code comes from. Imports nothing heavy by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from arc_fabric.errors import ModelUnavailable

SOURCE_VARIABLE = "ARC_FABRIC_MATRIXGAME_SRC"
_HINT = (
    "Clone github.com/SkyworkAI/Matrix-Game with the dependencies of its Matrix-Game-2, and set "
    f"{SOURCE_VARIABLE} to that folder (docs/how-to/matrix-game.md)."
)


def checkout() -> Path:
    """The folder `Matrix-Game-2` of a checkout. Raises ModelUnavailable."""
    place = os.environ.get(SOURCE_VARIABLE, "")
    if not (Path(place) / "demo_utils" / "vae_block3.py").is_file():
        raise ModelUnavailable(
            f"{SOURCE_VARIABLE} names no checkout of Matrix-Game 2: {place or 'it is not set'}.", hint=_HINT
        )
    return Path(place).resolve()


def import_pipeline() -> Any:
    """Its module `pipeline.causal_inference`. Its packages have short names (`pipeline`, `utils`, `wan`), as
    Self-Forcing's have: one of them in a process. Raises ModelUnavailable."""
    place = str(checkout())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        import pipeline.causal_inference as module
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise ModelUnavailable(
            f"The pipeline of {place} cannot be imported: {type(error).__name__}: {error}.", hint=_HINT
        ) from error
    if not str(Path(module.__file__ or "").resolve()).startswith(place):
        raise ModelUnavailable(
            f"Another package of this process is called `pipeline`: {module.__file__}.", hint=f"Use {place} alone."
        )
    return module
