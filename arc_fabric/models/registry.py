"""Models by name.

>>> model = load_model("tabletop")
>>> model.geometry.frames_per_step
8
"""

from __future__ import annotations

from arc_fabric.errors import UnknownSetting
from arc_fabric.models.contract import WorldModel

NAMES = ("tabletop", "dreamzero:<checkpoint dir>")


def load_model(name: str, device: str = "cpu") -> WorldModel:
    """Load `tabletop`, or `dreamzero:<dir>` from a checkpoint directory, onto a device ("cpu", "cuda:0")."""
    family, _, place = name.partition(":")
    if family == "tabletop" and not place:
        from arc_fabric.models.tabletop.model import TabletopModel

        return TabletopModel.load(device=device)
    if family == "dreamzero" and place:
        from arc_fabric.models.dreamzero import load

        return load(place, device=device)
    raise UnknownSetting(f"There is no model {name!r}; expected one of: {', '.join(NAMES)}.")
