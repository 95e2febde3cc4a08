"""DreamZero's attributes as a declaration: what `action_head` holds, by the names that stored snapshots have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from torch import Tensor

from arc_fabric.models.contract.parts import Part, State, Value
from arc_fabric.models.contract.windowed import LISTS, SCALARS, TENSORS, WorldModel


class HeadState:
    """The state of a model of DreamZero's surface. KV tensors are appended to, the lists that hold them are the
    model's. Of a model over several processes it is what this one `holds`."""

    def __init__(self, model: WorldModel) -> None:
        self._model = model

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """Two branches of KV, rebuilt from a window where the model can; cross-attention caches where they are used."""
        abilities = self._model.abilities
        unit, rebuilt = self._model.geometry.tokens_per_latent, "window" if abilities.rebuilds_kv else "no"
        kv = Part("appended", layers=True, axis=2, unit=unit, rebuilt=rebuilt)  # type: ignore[arg-type]
        crossed = Part("replaced", layers=True, left_out=not abilities.uses_crossattn_cache)
        found = {name: kv if name.startswith("kv_") else crossed for name in getattr(self._model, "holds", LISTS)}
        found |= dict.fromkeys(TENSORS, Part("replaced")) | dict.fromkeys(SCALARS, Part("scalar"))
        return {name: _named(part, name) for name, part in found.items()}

    def export_state(self) -> State:
        """By reference; lists are copied, and `language`, which is the caller's own."""
        head = self._model.action_head
        state: dict[str, Value] = {name: list(getattr(head, name) or ()) for name in LISTS}
        state |= {name: getattr(head, name) for name in TENSORS}
        if head.language is not None:
            state["language"] = head.language.detach().clone()
        return state | {name: int(getattr(head, name)) for name in SCALARS}

    def load_state(self, state: State) -> None:
        """What is not given is empty."""
        head = self._model.action_head
        for name in LISTS:
            setattr(head, name, list(_tensors(state.get(name))))
        for name in TENSORS:
            setattr(head, name, state.get(name))
        for name in SCALARS:
            if name in state:
                setattr(head, name, state[name])

    def reset(self) -> None:
        """So that the next call begins a window."""
        head = self._model.action_head
        for name in LISTS:
            setattr(head, name, [])
        head.language, head.current_start_frame = None, 0


def _named(part: Part, name: str) -> Part:
    return replace(part, stored=name)


def _tensors(value: Value) -> Sequence[Tensor]:
    return value if isinstance(value, (list, tuple)) else ()
