"""Models by name.

>>> model = load_model("tabletop")
>>> model.geometry.frames_per_step
8
"""

from __future__ import annotations

import importlib

from arc_fabric.errors import ModelUnavailable, UnknownSetting
from arc_fabric.models.contract import WorldModel

NAMES = ("tabletop", "dreamzero:<checkpoint dir>", "python:<module>:<callable taking a device>")


def load_model(name: str, device: str = "cpu") -> WorldModel:
    """Load `tabletop`, `dreamzero:<dir>` from a checkpoint directory, or what `python:<module>:<callable>` makes, onto
    a device ("cpu", "cuda:0"). Raises ModelUnavailable, UnknownSetting."""
    family, _, place = name.partition(":")
    if family == "tabletop" and not place:
        from arc_fabric.models.tabletop.model import TabletopModel

        return TabletopModel.load(device=device)
    if family == "dreamzero" and place:
        from arc_fabric.models.dreamzero import load

        return load(place, device=device)
    if family == "python" and place:
        return _made_by(place, device)
    raise UnknownSetting(f"There is no model {name!r}; expected one of: {', '.join(NAMES)}.")


def _made_by(place: str, device: str) -> WorldModel:
    module, _, attribute = place.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelUnavailable(f"The model 'python:{place}' cannot be loaded: {error}.") from error
    model: WorldModel = factory(device)
    return model
