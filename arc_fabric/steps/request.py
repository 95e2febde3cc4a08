"""What a step is given, checked: what does not fit is an InvalidRequest before anything has happened."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from arc_fabric.base.actions import model_settings
from arc_fabric.base.actions.controls import beyond, by_name
from arc_fabric.base.terms import PROMPT_MODES, PromptMode
from arc_fabric.base.text import NO_TEXT, is_text
from arc_fabric.errors import InvalidRequest
from arc_fabric.models.contract import Abilities, Control, Geometry, Model


@dataclass(frozen=True)
class StepRequest:
    """What a step is given."""

    session_id: str
    prompt: str
    seed: int
    prompt_mode: PromptMode = "keep"
    action: np.ndarray | None = None
    """float32 [action_horizon, action_dim]; None: the policy predicts."""
    state: np.ndarray | None = None
    """float32 [state_dim]."""
    observed: np.ndarray | None = None
    """uint8 [T, H, W, 3]: real frames since the last call (closed loop) in place of the imagined ones."""
    settings: Mapping[str, float] = field(default_factory=dict)
    """Of the model's settings per session those that are not as they are by default."""


def actions_of(action: Any, geometry: Geometry) -> np.ndarray | None:
    """[action_horizon, action_dim]; a single action [action_dim] is held for the whole step. An action can also be
    numbers by name; what is not named rests."""
    if action is None:
        return None
    shape = (geometry.action_horizon, geometry.action_dim)
    if 0 in shape:
        raise InvalidRequest("This model takes no actions.", hint="Step without `action`.")
    if isinstance(action, Mapping) or (isinstance(action, Sequence) and any(isinstance(a, Mapping) for a in action)):
        action = _in_order(action, geometry)
    held = np.ndim(action) == 1 and np.shape(action) == shape[1:]
    made = array_of(np.broadcast_to(action, shape) if held else action, shape, "action")
    assert made is not None
    _require_within(made, geometry)
    return made


def _in_order(action: Any, geometry: Geometry) -> Any:
    low, high = geometry.action_low or itertools.repeat(0.0), geometry.action_high or itertools.repeat(0.0)
    limits = zip(geometry.action_names, low, high, strict=False)
    controls = [{"name": name, "low": least, "high": most} for name, least, most in limits]
    try:
        if isinstance(action, Mapping):
            return by_name(action, controls)
        return [by_name(one, controls) if isinstance(one, Mapping) else one for one in action]
    except ValueError as error:
        said = str(error)
        raise InvalidRequest(f"{said[0].upper()}{said[1:]}.") from error


def _require_within(actions: np.ndarray, geometry: Geometry) -> None:
    """Raise InvalidRequest where a model's controls do not take these values, float32 [action_horizon, action_dim]."""
    if wrong := beyond(actions.tolist(), [_rounded(control) for control in geometry.controls]):
        raise InvalidRequest(f"{wrong[0].upper()}{wrong[1:]}.")


def _rounded(control: Control) -> dict[str, Any]:
    """Its limits as 32-bit floats, which actions are."""
    return vars(control) | {"low": float(np.float32(control.low)), "high": float(np.float32(control.high))}


def observed_of(model: Model, observed: np.ndarray | Sequence[np.ndarray] | None, *, begins: bool) -> np.ndarray | None:
    """Real frames at the model's size, uint8 [T, H, W, 3]; a step that does not begin a world may need some. Raises
    InvalidRequest."""
    if observed is not None:
        if not model.abilities.observes:
            raise InvalidRequest("This model cannot take observed frames.", hint="Step without `observed`.")
        return np.stack([model.fit_image(np.asarray(frame)) for frame in observed])
    if not model.abilities.imagines and not begins:
        raise InvalidRequest(
            "This model leaves its video noisy: it does not go on from frames that it imagined.",
            hint="Give the real frames seen since the last step (observed=...).",
        )
    return None


def settings_of(given: Any, abilities: Abilities) -> dict[str, float]:
    """The given settings of a model that are not its defaults, by name. Raises InvalidRequest."""
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"Settings of the model are values by name, not {given!r}.")
    if not given:
        return {}
    try:
        return model_settings.checked(given, [asdict(one) for one in abilities.settings])
    except ValueError as error:
        said = str(error)
        raise InvalidRequest(f"{said[0].upper()}{said[1:]}.", hint="GET /api/model lists them.") from error


def array_of(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    """`value` as a finite float32 array of this shape, owned by us. Raises InvalidRequest."""
    if value is None:
        return None
    try:
        with np.errstate(over="ignore"):
            array = np.array(value, np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"{name} is not an array of numbers: {error}.") from error
    if array.shape != shape:
        raise InvalidRequest(f"{name} must have shape {list(shape)}, got {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise InvalidRequest(f"{name} has numbers that are not finite as 32-bit floats.")
    return array


def require_text(prompt: Any) -> str:
    """A prompt that is a text. Raises InvalidRequest."""
    if not isinstance(prompt, str):
        raise InvalidRequest(f"The prompt must be a string, got {type(prompt).__name__}.")
    if not is_text(prompt):
        raise InvalidRequest(f"The prompt {ascii(prompt)[:80]} {NO_TEXT}.", hint="Give text that UTF-8 can hold.")
    return prompt


def require_seed(seed: Any) -> int:
    """A seed that fits into 64 bits. Raises InvalidRequest."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise InvalidRequest(f"The seed must be an integer, got {type(seed).__name__}.") from None
    if not -(1 << 63) <= number < 1 << 63:
        raise InvalidRequest(f"The seed {number} is out of range: it has 64 bits, signed.")
    return number


def require_mode(mode: Any) -> PromptMode:
    """One of the prompt modes. Raises InvalidRequest."""
    if mode not in PROMPT_MODES:
        raise InvalidRequest(f"prompt_mode must be one of {', '.join(PROMPT_MODES)}, got {mode!r}.")
    known: PromptMode = mode
    return known
