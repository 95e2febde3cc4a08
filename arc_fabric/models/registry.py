"""Models by name.

>>> model = load_model("tabletop")
>>> model.geometry.frames_per_step
8

A model of your own needs no change here: `python:<module>:<callable>` names a function that takes a device, and a
package can give its models names by the entry point group `arc_fabric.models`:

    [project.entry-points."arc_fabric.models"]
    mine = "my_package.world:load"            # model = "mine"; with "mine:<place>", load(place, device)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from arc_fabric.errors import ArcFabricError, ModelUnavailable, UnknownSetting
from arc_fabric.models.contract import Model

NAMES = (
    "tabletop", "dreamzero:<checkpoint dir>", "selfforcing:<config.yaml>#<checkpoint.pt>",
    "matrixgame:<config.yaml>#<checkpoint.safetensors>#<base model's folder>",
    "python:<module>:<callable taking a device>",
)  # fmt: skip
GROUP = "arc_fabric.models"
_EVERY = ("abilities", "geometry", "device", "identity", "fit_image")
_DECLARED = (*_EVERY, "parts", "export_state", "load_state", "reset", "step")
_WINDOWED = ("action_head", *_EVERY, "make_inputs", "decode", "language_of", "lazy_joint_video_action_causal")
"""What every model of a kind needs; the others follow from its abilities."""


def load_model(name: str, device: str = "cpu") -> Model:
    """Load `tabletop`, `dreamzero:<dir>` from a checkpoint directory, `selfforcing:...` or `matrixgame:...`, what
    `python:<module>:<callable>` makes, or what an installed package names, onto a device ("cpu", "cuda:0"), or onto
    several ("cuda:0+cuda:1") what can be over several. Raises ModelUnavailable, UnknownSetting."""
    family, _, place = name.partition(":")
    if "+" in device and family in ("tabletop", "selfforcing", "matrixgame"):
        raise ModelUnavailable(f"{family} runs on one device, not over {device}.", hint="Name one device per worker.")
    if family == "tabletop" and not place:
        from arc_fabric.models.tabletop.net.model import TabletopModel

        return TabletopModel.load(device=device)
    if family == "dreamzero" and place:
        from arc_fabric.models.dreamzero import load

        return load(place, device=device)
    if family == "selfforcing" and place:
        from arc_fabric.models.selfforcing import load as load_pipeline

        return load_pipeline(place, device=device)
    if family == "matrixgame" and place:
        from arc_fabric.models.matrixgame import load as load_game

        return load_game(place, device=device)
    if family == "python" and place:
        module, _, attribute = place.partition(":")
        return _made(name, lambda: getattr(importlib.import_module(module), attribute), device)
    for entry in entry_points(group=GROUP, name=family):
        return _made(name, entry.load, *([place] if place else []), device)
    known = sorted({entry.name for entry in entry_points(group=GROUP)})
    raise UnknownSetting(f"There is no model {name!r}; expected one of: {', '.join([*NAMES, *known])}.")


def _made(name: str, find: Callable[[], Any], *arguments: str) -> Model:
    """What a function from elsewhere makes, if it can be used as a model."""
    try:
        factory = find()
    except (ImportError, AttributeError) as error:
        raise ModelUnavailable(f"The model {name!r} cannot be loaded: {error}.") from error
    try:
        model: Model = factory(*arguments)
    except ArcFabricError:
        raise
    except Exception as error:  # code from elsewhere; the cause is chained
        raise ModelUnavailable(
            f"Making the model {name!r} failed: {type(error).__name__}: {error}",
            hint=f"{getattr(factory, '__qualname__', factory)} is called with {', '.join(map(repr, arguments))}.",
        ) from error
    members = _DECLARED if hasattr(model, "parts") or hasattr(model, "step") else _WINDOWED
    if missing := [member for member in members if not hasattr(model, member)]:
        raise ModelUnavailable(
            f"What the model {name!r} is made by gave a {type(model).__name__} without {', '.join(missing)}.",
            hint="arc_fabric/models/contract says what a model must be; arc_fabric.testing.check_model checks one.",
        )
    return model
