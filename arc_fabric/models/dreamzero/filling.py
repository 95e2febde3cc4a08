"""Which of a model's weights a foreign loader filled. DreamZero's loads with `strict=False` and prints what is missing.

with watched_loads() as loads:
    vla = ...                     # foreign code builds the model and loads its files
loads.unfilled(vla)               # names of parameters that no file gave

Names are those of the model without its LoRA adapters' wrapping, which comes and goes while DreamZero loads: the base
is filled before adapters are put around it, the adapters before they are merged into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Call:
    """One call of `load_state_dict`."""

    module: nn.Module
    given: frozenset[str]
    """Parameters of the module that it was given."""
    missing: frozenset[str]
    """Parameters of the module that it was not given; buffers are computed."""
    unplaced: frozenset[str]
    """Names that the module has no place for, also none under an adapter, and does not compute itself."""


@dataclass
class Loads:
    """All calls, in order."""

    calls: list[Call] = field(default_factory=list)

    def unfilled(self, model: nn.Module) -> set[str]:
        """Names of the model's parameters that no call gave, neither to the model nor to a part of it."""
        whole = [call for call in self.calls if call.module is model]
        left = {*_plain(name for name, _ in model.named_parameters())}.union(*(call.missing for call in whole))
        for prefix, part in model.named_modules():
            for call in self.calls:
                if call.module is part:
                    left -= _plain(f"{prefix}.{name}" if prefix else name for name in call.given)
        return left

    def unplaced(self, model: nn.Module) -> set[str]:
        """Names that were given to the model and have no place in it."""
        return {name for call in self.calls if call.module is model for name in call.unplaced}


@contextmanager
def watched_loads() -> Iterator[Loads]:
    """Note what `load_state_dict` answers in this process until the end of the block. It does what it always does."""
    loads, original = Loads(), nn.Module.load_state_dict

    def watched(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        names = {name for name, _ in self.named_parameters()}
        missing = names.intersection(answer.missing_keys)
        places = _plain(self.state_dict()) if answer.unexpected_keys else set()
        unplaced = {name for name in _plain(answer.unexpected_keys) if name not in places and not _computes(self, name)}
        loads.calls.append(Call(self, _plain(names - missing), _plain(missing), frozenset(unplaced)))
        return answer

    nn.Module.load_state_dict = watched  # type: ignore[method-assign]
    try:
        yield loads
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]


def _plain(names: Iterable[str]) -> frozenset[str]:
    """Without what LoRA adapters put around a layer: DreamZero's loader cuts a part of it off."""
    return frozenset(name.replace(".base_layer.", ".").replace(".base_model.model.", ".") for name in names)


def _computes(module: nn.Module, name: str) -> bool:
    """Whether it is a tensor that the module makes itself and does not store (a rotary table of an older release)."""
    owner, _, leaf = name.rpartition(".")
    try:
        return isinstance(getattr(module.get_submodule(owner), leaf, None), torch.Tensor)
    except AttributeError:
        return False
