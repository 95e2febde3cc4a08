"""Where the pipelines' own code comes from. Imports nothing heavy by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from arc_fabric.errors import ModelUnavailable

SOURCE_VARIABLE = "ARC_FABRIC_SELFFORCING_SRC"
_HINT = (
    "Clone github.com/guandeh17/Self-Forcing (or LongLive 1) with the dependencies it pins, and set "
    f"{SOURCE_VARIABLE} to the checkout (docs/how-to/self-forcing.md)."
)


def checkout() -> Path:
    """The checkout's folder. Raises ModelUnavailable."""
    place = os.environ.get(SOURCE_VARIABLE, "")
    if not (Path(place) / "pipeline" / "causal_inference.py").is_file():
        raise ModelUnavailable(
            f"{SOURCE_VARIABLE} names no checkout of a Self-Forcing-shaped pipeline: {place or 'it is not set'}.",
            hint=_HINT,
        )
    return Path(place).resolve()


def import_pipeline() -> Any:
    """The class `CausalInferencePipeline` of the checkout. Its packages have short names (`pipeline`, `utils`, `wan`):
    nothing else in the process may have taken them. Raises ModelUnavailable."""
    place = str(checkout())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        from pipeline.causal_inference import CausalInferencePipeline
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise ModelUnavailable(
            f"The pipeline of {place} cannot be imported: {type(error).__name__}: {error}.", hint=_HINT
        ) from error
    import pipeline

    if not str(Path(pipeline.__file__ or "").resolve()).startswith(str(Path(place).resolve())):
        raise ModelUnavailable(
            f"Another package of this process is called `pipeline`: {pipeline.__file__}.", hint=f"Use {place} alone."
        )
    return CausalInferencePipeline
