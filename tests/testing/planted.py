"""Models that break the contract on purpose, as a hostile checker would; and odd ones that keep it."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.contract import Part, State, StepInput, StepOutput
from tests.support.rolling_model import RollingToy

_COUNTED = {"steps": 0}


class _Shifted(RollingToy, ABC):
    """Its latents carry a number that the contract does not know of."""

    def __init__(self) -> None:
        super().__init__()
        self.abilities = replace(self.abilities, rebuilds_world=False)

    @abstractmethod
    def shift(self, given: StepInput) -> float:
        """What is added."""

    def step(self, given: StepInput) -> StepOutput:
        """One step, shifted."""
        out = super().step(given)
        assert out.latents is not None
        return StepOutput(out.frames, out.latents + 1e-3 * self.shift(given))


class OnModule(_Shifted):
    """Counts on its module."""

    def shift(self, given: StepInput) -> float:
        _COUNTED["steps"] += 1
        return _COUNTED["steps"]


class OnClass(_Shifted):
    """Remembers on its class which prompt came last."""

    last = ""

    def shift(self, given: StepInput) -> float:
        before, type(self).last = self.last, given.prompt
        return float(before not in ("", given.prompt))


class PythonsDice(_Shifted):
    """Draws from Python's own generator."""

    def shift(self, given: StepInput) -> float:
        return random.random()


class Clock(_Shifted):
    """Reads the clock."""

    def shift(self, given: StepInput) -> float:
        return time.perf_counter() % 1


class ForgetsGenerator(RollingToy):
    """Declares its generator, and does not take it back."""

    def load_state(self, state: State) -> None:
        mine = self.noise.get_state()
        super().load_state(state)
        self.noise.set_state(mine)


class Copying(RollingToy):
    """Exports copies of its buffers."""

    def export_state(self) -> State:
        state = dict(super().export_state())
        return state | {"k": [one.clone() for one in state["k"]]}  # type: ignore[union-attr]


class Unreset(RollingToy):
    """Begins a world with the memory of the last one."""

    def reset(self) -> None:
        kept = self.memory.clone() if hasattr(self, "memory") else None
        super().reset()
        if kept is not None:
            with torch.inference_mode():
                self.memory.copy_(kept)


class SilentRecache(RollingToy):
    """Rewrites its caches for a new prompt, and names no epoch."""

    def __init__(self) -> None:
        super().__init__()
        quiet = {name: Part(**{**vars(part), "epoch": ""}) for name, part in self.parts.items()}
        self.parts = quiet


class Growing(RollingToy):
    """Puts a longer buffer in the place of the one that it declares to write into."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = self.parts | {"tail": Part("in_place")}

    def reset(self) -> None:
        super().reset()
        self.tail = torch.zeros(1)

    def step(self, given: StepInput) -> StepOutput:
        out = super().step(given)
        assert out.latents is not None
        self.tail = torch.cat([self.tail, out.latents.mean()[None]])
        return out

    def export_state(self) -> State:
        return {**super().export_state(), "tail": self.tail}


class WritesGiven(RollingToy):
    """Takes its state over by writing into it."""

    def load_state(self, state: State) -> None:
        for latents in state["recent"]:  # type: ignore[union-attr]
            latents.mul_(1.0).add_(1e-3)
        super().load_state(state)


class Odd(RollingToy):
    """Keeps the contract with odd tensors: float64, bfloat16, bool, no axis, a view across, a shape that changes; it
    gives the same array of frames in every step, and writes into what it is given."""

    def __init__(self) -> None:
        super().__init__(controls=True)
        self.parts = self.parts | {name: Part("replaced") for name in ("double", "half", "flag", "across", "list")}
        self.abilities = replace(self.abilities, rebuilds_world=False)
        self._frame = np.zeros((self.geometry.frames_per_step, 32, 32, 3), np.uint8)

    def reset(self) -> None:
        super().reset()
        self.double = torch.tensor(0.0, dtype=torch.float64)
        self.half = torch.zeros(3, dtype=torch.bfloat16)
        self.flag = torch.zeros(2, dtype=torch.bool)
        self.across: Tensor = torch.zeros(2, 3).T
        self.list = torch.zeros(0)

    def step(self, given: StepInput) -> StepOutput:
        out = super().step(given)
        assert out.latents is not None
        self.double = self.double + out.latents.double().mean()
        self.half = (self.half + self.double).to(torch.bfloat16)
        self.flag = ~self.flag
        self.across = (self.across.T + self.half.float()).T
        self.list = torch.cat([self.list, self.double.float()[None]])[-4:]
        seen = self.double + self.half.float().sum() + self.flag.sum() + self.across.sum() + self.list.sum()
        self._frame[:] = out.frames
        for array in (given.picture, given.action):
            if array is not None:
                array[:] = 0
        return StepOutput(self._frame, out.latents + 1e-3 * seen.float())

    def export_state(self) -> State:
        return {**super().export_state(), **{n: getattr(self, n) for n in ("double", "half", "flag", "across", "list")}}

    def load_state(self, state: State) -> None:
        super().load_state(state)
        for name in ("double", "half", "flag", "across", "list"):
            setattr(self, name, state[name])


class _Streaming(RollingToy):
    """Shows pictures before a step is done."""

    def __init__(self) -> None:
        super().__init__(streams=True)


class Mute(_Streaming):
    """Says that it streams, and shows nothing."""

    def _show(self, latents: Tensor, given: StepInput) -> None:
        """Not a thing."""


class Embellishing(_Streaming):
    """Shows another picture than it gives."""

    def _show(self, latents: Tensor, given: StepInput) -> None:
        given.hand_on(self._frames(latents[:, :1] * 1.1))


class Repeating(_Streaming):
    """Shows all that it has each time."""

    def _show(self, latents: Tensor, given: StepInput) -> None:
        for at in range(self.block):
            given.hand_on(self._frames(latents[:, : at + 1]))


class Backwards(_Streaming):
    """Shows the last picture first."""

    def _show(self, latents: Tensor, given: StepInput) -> None:
        given.hand_on(self._frames(latents)[::-1])


class Late(_Streaming):
    """Shows a step's pictures to who looked at the last one, too."""

    before: StepInput | None = None

    def _show(self, latents: Tensor, given: StepInput) -> None:
        super()._show(latents, given)
        if self.before is not None:
            super()._show(latents, self.before)
        self.before = given


class Vain(_Streaming):
    """Is another one when somebody looks."""

    def _show(self, latents: Tensor, given: StepInput) -> None:
        if given.show is not None:
            latents *= 1.01
        super()._show(latents, given)


class Small(_Streaming):
    """Shows thumbnails."""

    def _show(self, latents: Tensor, given: StepInput) -> None:
        given.hand_on(self._frames(latents)[:, ::2, ::2])
