"""The conformance suite passes models that declare their state, and finds each of the faults planted in one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch

from arc_fabric.models.contract import Part, PastStep, State, StepInput, StepOutput
from arc_fabric.testing import Report, check_model
from tests.support.rolling_model import Forgetful, Hiding, Rewriting, RollingToy, small
from tests.testing import planted


class Sharing(RollingToy):
    """Hands out a buffer that it writes as a tensor that it replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = self.parts | {"mood": Part("replaced")}

    def export_state(self) -> State:
        """The memory under two names."""
        return {**super().export_state(), "mood": self.memory}


class Hoarding(RollingToy):
    """Keeps the pictures of the whole world."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = self.parts | {"album": Part("replaced", layers=True)}

    def reset(self) -> None:
        """An empty album."""
        super().reset()
        self.album: list[torch.Tensor] = []

    def step(self, given: StepInput) -> StepOutput:
        """Put the step's pictures into it."""
        out = super().step(given)
        self.album = [*self.album, torch.from_numpy(out.frames)]
        return out

    def export_state(self) -> State:
        """With the album."""
        return {**super().export_state(), "album": list(self.album)}

    def load_state(self, state: State) -> None:
        """With the album."""
        super().load_state(state)
        self.album = list(state["album"])  # type: ignore[arg-type]


class Careless(RollingToy):
    """Rebuilds every block under the prompt that the world had then, whatever was recached."""

    def rebuild(self, past: Iterable[PastStep]) -> None:
        """As if no prompt had changed the past."""
        super().rebuild(PastStep(replace(step.given, prompt=""), step.latents) for step in past)


def unsteered() -> RollingToy:
    """Says that actions have no effect."""
    model = RollingToy(controls=True)
    model.abilities = replace(model.abilities, steers_with_actions=False)
    return model


@functools.cache
def _report(make: Callable[[], RollingToy]) -> Report:
    """What the suite finds in a model: once for all of its faults."""
    return check_model(make, raises=False)


@pytest.mark.parametrize("options", [{}, {"ring": True}, {"controls": True}, {"vae": False}, {"streams": True}])
def test_a_model_that_keeps_the_contract_passes(options: dict) -> None:
    """Every check that applies."""
    report = check_model(lambda: RollingToy(**options), others=[lambda: RollingToy(**options, weights_seed=1)])
    skipped = {"batches", "decodes", "sharing"}
    skipped |= set() if options.get("vae", True) else {"rebuilds"}
    skipped |= set() if options.get("streams") else {"streams"}
    assert set(report.skipped) == skipped
    assert len(report.passed) == 21 - len(skipped)


def test_a_model_of_odd_tensors_that_keeps_the_contract_passes() -> None:
    """Of any type and shape, one that changes, views across; frames that it overwrites, inputs that it writes into."""
    report = check_model(planted.Odd)
    assert not report.findings and "begins anew" in report.passed and "prompt modes" in report.passed


@pytest.mark.parametrize(
    ("make", "check", "says"),
    [
        (Hiding, "declaration", "`export_state` gives noise, which no part declares"),
        (Hiding, "restores", "the next step has other"),
        (Hiding, "interleaves", "with another world"),
        (Rewriting, "buffers", "an old entry was rewritten"),
        (Rewriting, "restores", "the next step has other"),
        (Forgetful, "writes in place", "state/memory"),
        (Sharing, "aliases nothing", "state/mood of a snapshot lies in a buffer"),
        (Hoarding, "stores what is new", "a checkpoint grew"),
        (Careless, "rebuilds", "rebuilt"),
        (unsteered, "step shapes", "actions are followed"),
        (planted.OnModule, "repeats", "keep nothing on a class or a module"),
        (planted.OnClass, "interleaves", "with another world"),
        (planted.PythonsDice, "global random state", "of Python (random)"),
        (planted.Clock, "repeats", "read no clock"),
        (planted.ForgetsGenerator, "restores", "the next step has other"),
        (planted.Copying, "declaration", "a copy of the buffer 'k'"),
        (planted.Unreset, "begins anew", "`reset` leaves nothing of the last world"),
        (planted.SilentRecache, "prompt modes", "`epoch`"),
        (planted.Growing, "restores", "the model's buffer has room for"),
        (planted.WritesGiven, "interleaves", "changed in place"),
        (planted.Mute, "streams", "step 1 showed nothing"),
        (planted.Embellishing, "streams", "other pictures than its step gave (frame 0 of 6)"),
        (planted.Repeating, "streams", "after 6 frames of a step of [6, 32, 32, 3]"),
        (planted.Backwards, "streams", "other pictures than its step gave"),
        (planted.Late, "streams", "that had ended"),
        (planted.Vain, "streams", "when its pictures are shown"),
        (planted.Small, "streams", "showed uint8 [6, 16, 16, 3]"),
        (lambda: small(RollingToy(), window=7), "step shapes", "`geometry.window` is not 0"),
        (lambda: small(RollingToy(), frames_per_latent=3), "shapes", "geometry says"),
    ],
)
def test_a_planted_fault_is_found(make: Callable[[], RollingToy], check: str, says: str) -> None:
    """By the check that is for it, in words that say what is wrong, and how to mend it."""
    report = _report(make)
    found = [finding for finding in report.findings if finding.check == check]
    assert found, str(report)
    assert says in str(found[0]) and found[0].mend
