"""What Arc Fabric asks of an autoregressive video world model: its state, declared, and a step.

    parts      a state as named parts: kinds, ownership, where a rolling buffer's entries lie
    declared   models that declare their state and step by `step(StepInput)`
    windowed   models of DreamZero's surface: windows that are anchored anew, a pending block
    head       DreamZero's attributes as a declaration
    sizes      abilities, settings per session, geometry, controls, identity

docs/reference/state-contract.md says what holds; `arc_fabric.testing.check_model` looks whether it does.
"""

from arc_fabric.models.contract.declared import (
    DeclaredModel,
    Model,
    PastStep,
    StateAccess,
    StepInput,
    StepOutput,
    is_declared,
    state_device,
)
from arc_fabric.models.contract.head import HeadState
from arc_fabric.models.contract.parts import BUFFERS, Part, Scalar, State, declaration_digest, spans_of
from arc_fabric.models.contract.sizes import Abilities, Control, Geometry, ModelIdentity, ModelSetting
from arc_fabric.models.contract.windowed import LISTS, SCALARS, TENSORS, Conditioning, WorldModel

__all__ = [
    "BUFFERS",
    "LISTS",
    "SCALARS",
    "TENSORS",
    "Abilities",
    "Conditioning",
    "Control",
    "DeclaredModel",
    "Geometry",
    "HeadState",
    "Model",
    "ModelIdentity",
    "ModelSetting",
    "Part",
    "PastStep",
    "Scalar",
    "State",
    "StateAccess",
    "StepInput",
    "StepOutput",
    "WorldModel",
    "declaration_digest",
    "is_declared",
    "spans_of",
    "state_device",
]  # fmt: skip
