"""Empty modules in place of packages that a checkout imports and a test does not use."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any


class Anything(types.ModuleType):
    """A module of which every name can be imported, and nothing used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def stand_ins(*names: str) -> None:
    """Where the package is not installed; a module before what lies in it."""
    for name in names:
        parent, _, leaf = name.rpartition(".")
        if not isinstance(sys.modules.get(parent), Anything) and (parent or importlib.util.find_spec(name)):
            continue
        sys.modules[name] = Anything(name)
        if parent:
            setattr(sys.modules[parent], leaf, sys.modules[name])
