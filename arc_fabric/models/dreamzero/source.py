"""Where DreamZero's own code comes from. Imports nothing heavy by itself."""

from __future__ import annotations

import os
import sys
from typing import Any

from arc_fabric.errors import ModelUnavailable

SOURCE_VARIABLE = "ARC_FABRIC_DREAMZERO_SRC"


def import_groot() -> dict[str, Any]:
    """GrootSimPolicy, EmbodimentTag and tianshou's Batch, from the installed package or ARC_FABRIC_DREAMZERO_SRC.

    Raises ModelUnavailable, also where one of its dependencies is there but broken.
    """
    source = os.environ.get(SOURCE_VARIABLE)
    if source and source not in sys.path:
        sys.path.insert(0, source)
    try:
        from groot.vla.data.schema import EmbodimentTag
        from groot.vla.model.n1_5.sim_policy import GrootSimPolicy
        from tianshou.data import Batch
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        missing = getattr(error, "name", None)
        what = "is not installed" if missing == "groot" else f"cannot be imported: {type(error).__name__}: {error}"
        raise ModelUnavailable(
            f"DreamZero's code {what}.",
            hint="Install github.com/dreamzero0/dreamzero with the dependencies it pins, or these dependencies alone "
            f"and set {SOURCE_VARIABLE} to a checkout (docs/how-to/dreamzero.md).",
        ) from error
    return {"GrootSimPolicy": GrootSimPolicy, "EmbodimentTag": EmbodimentTag, "Batch": Batch}
