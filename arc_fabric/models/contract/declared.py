"""Models that declare their state: any autoregressive video world model, whatever it keeps and however it steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from arc_fabric.models.contract.parts import Part, State
from arc_fabric.models.contract.sizes import Abilities, Geometry, ModelIdentity
from arc_fabric.models.contract.windowed import WorldModel

if TYPE_CHECKING:
    import numpy as np
    import torch
    from typing_extensions import TypeIs


@dataclass(frozen=True, eq=False)
class StepInput:
    """What a step is given."""

    prompt: str
    seed: int
    step: int
    """Steps from the root, this one included: 1 for a world's first. Noise follows from it and the seed."""
    action: np.ndarray | None = None
    """float32 [action_horizon, action_dim], within the limits that the model states; None: none was given."""
    state: np.ndarray | None = None
    """float32 [state_dim]."""
    picture: np.ndarray | None = None
    """uint8 [H, W, 3]: what the world begins with (with its first step, and with one that begins it anew); None where
    it begins from its prompt alone, which only a model with `abilities.needs_picture` False sees."""
    observed: np.ndarray | None = None
    """uint8 [T, H, W, 3]: real frames in place of those that the last step imagined."""
    embodiment_id: int = 0
    prompt_mode: str | None = None
    """Where the prompt is another than the last step's: "keep" or "recache" (the model's memory is read anew under the
    new prompt, or the model raises InvalidRequest). None: the prompt is the same."""
    settings: Mapping[str, float] = field(default_factory=dict)
    """Of `abilities.settings` those that are not as they are by default, by name."""
    begins: bool = False
    """The world begins with this step, or begins anew (prompt mode "reset"): the model was `reset` just before."""
    show: Callable[[np.ndarray], object] | None = None
    """Of a model with `abilities.streams`: takes pictures of this step, uint8 [F, H, W, 3], as soon as they are made,
    in their order; what the step returns begins with them. None: nobody looks."""

    def hand_on(self, frames: np.ndarray) -> None:
        """Show pictures, where somebody looks."""
        if self.show is not None:
            self.show(frames)


@dataclass(frozen=True, eq=False)
class StepOutput:
    """What a step gave."""

    frames: np.ndarray
    """uint8 [frames_per_step, H, W, 3]."""
    latents: torch.Tensor | None = None
    """[1, K, C, h, w], on any device; None for a model without a VAE."""
    actions: np.ndarray | torch.Tensor | None = None
    """[action_horizon, action_dim], predicted; None where it predicts none."""


@dataclass(frozen=True, eq=False)
class PastStep:
    """A step that was taken, for a rebuild."""

    given: StepInput
    latents: torch.Tensor | None
    """[1, K, C, h, w] on the CPU, what it gave."""


@runtime_checkable
class StateAccess(Protocol):
    """A state, declared, and the way in and out."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """The declaration; the same for as long as the model lives."""

    def export_state(self) -> State:
        """What the model holds, without copying it: of `rolling` and `in_place` parts its very buffers."""

    def load_state(self, state: State) -> None:
        """Take over all parts but the buffers, which the caller has written already: keep what is given, never write
        into it. It is on the model's device, a generator's state in host memory. Parts that are left out follow from
        these."""

    def reset(self) -> None:
        """The state of a world in which nothing has happened. Buffers are there afterwards."""


@runtime_checkable
class DeclaredModel(StateAccess, Protocol):
    """A loaded model on one device. Not thread-safe: one thread owns it. A call that raises leaves undefined state."""

    abilities: Abilities
    geometry: Geometry
    device: torch.device

    def identity(self) -> ModelIdentity:
        """The identity recorded in snapshots; computed once. The declaration's digest is added to it."""

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] of any size -> uint8 [image_height, image_width, 3]."""

    def step(self, given: StepInput) -> StepOutput:
        """Go on by one block from the state that is there. Everything that a later step reads is in the parts."""


class RebuildsFromWorld(Protocol):
    """A declared model with `abilities.rebuilds_world`."""

    def rebuild(self, past: Iterable[PastStep]) -> None:
        """After `reset`: fill the caches from all steps of a world, oldest first, with the bits that the steps left,
        their counters included; a step that `begins` was taken on a state that was reset."""


Model = WorldModel | DeclaredModel


def is_declared(model: object) -> TypeIs[DeclaredModel]:
    """Whether a model declares its state and steps by `step`; else it has DreamZero's surface."""
    return all(hasattr(model, name) for name in ("parts", "export_state", "load_state", "reset", "step"))


def state_device(model: Model) -> torch.device:
    """Where states are read to: the model's device, unless it says another (`state_device`)."""
    place: torch.device = getattr(model, "state_device", model.device)
    return place
