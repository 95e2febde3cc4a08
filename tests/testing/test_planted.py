"""The conformance suite passes a model that keeps the contract, and finds each of the faults planted in one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from arc_fabric.testing import NotConforming, Report, check_model
from tests.support.batching_toy import BatchingToy
from tests.support.overwriting import Overwriting
from tests.support.toy_model import ToyModel


class HiddenCounter(ToyModel):
    """Counts its calls where no snapshot sees it, and lets it show."""

    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Tensor | None = None) -> Any:
        out = super().lazy_joint_video_action_causal(inputs, latent_video)
        return out | {"video_pred": out["video_pred"] + 1e-3 * self.calls}


class GlobalNoise(ToyModel):
    """Draws from torch's global generator."""

    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Tensor | None = None) -> Any:
        out = super().lazy_joint_video_action_causal(inputs, latent_video)
        return out | {"video_pred": out["video_pred"] + torch.randn(()) * 1e-3}


class HalfDone(ToyModel):
    """Marks a call as begun outside the head; a failure leaves the mark."""

    begun = False

    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Tensor | None = None) -> Any:
        shift, self.begun = 1e-3 * self.begun, True
        out = super().lazy_joint_video_action_causal(inputs, latent_video)
        self.begun = False
        return out | {"video_pred": out["video_pred"] + shift}


class OnePrompt(ToyModel):
    """Rebuilds every block under the first one's prompt."""

    def rebuild_kv(self, latents: Tensor, blocks: list) -> None:
        super().rebuild_kv(latents, [blocks[0]] * len(blocks))


class NewIdentity(ToyModel):
    """An address in the identity."""

    def identity(self) -> Any:
        return replace(super().identity(), sampler={"at": id(self)})


class SameIdentity(ToyModel):
    """Forgets the weights."""

    def identity(self) -> Any:
        return replace(super().identity(), weights_digest="")


class BrighterEachTime(ToyModel):
    """Decodes with a memory."""

    shown = 0

    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        self.shown += 1
        return super().decode(latents, start) + np.uint8(self.shown % 7)


class Rescaled(ToyModel):
    """Old keys and values decay a little with every block."""

    abilities = replace(ToyModel.abilities, rebuilds_kv=False)

    def _prefill(self, latents: Tensor, start: int, text: Tensor) -> None:
        for name in ("kv_cache1", "kv_cache_neg"):
            setattr(self.action_head, name, [cache * 0.999 for cache in getattr(self.action_head, name)])
        super()._prefill(latents, start, text)


class OtherSizes(ToyModel):
    """Says that it makes more frames than it does."""

    geometry = replace(ToyModel.geometry, frames_per_latent=5, action_horizon=8)


class Sticky(ToyModel):
    """Takes a setting for good."""

    rounds = 2

    def _denoise(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        self.rounds = self.action_head.settings.get("rounds", self.rounds)
        self.action_head.settings = {"rounds": self.rounds}
        return super()._denoise(inputs)


class NoBatch(ToyModel):
    """Claims to batch, and looks at the first row alone."""

    abilities = replace(ToyModel.abilities, batches=True, batch_bit_exact=True)


class Rounding(BatchingToy):
    """Claims the bits of each row alone; its batches are equal to rounding."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.exact_batches = False


@functools.cache
def _report(make: Callable[..., ToyModel]) -> Report:
    """What the suite finds in a model: once for all of its faults."""
    others = [lambda: make(weights_seed=1)] if make in (SameIdentity, ToyModel) else []
    return check_model(make, others=others, raises=False)


def test_a_model_that_keeps_the_contract_passes() -> None:
    """Every check, and the share of bytes that checkpoints have in common."""
    report = check_model(ToyModel, others=[lambda: ToyModel(weights_seed=1)])
    assert len(report.passed) == 12 and report.skipped == {"batches": "abilities.batches is False"}
    assert report.shared is not None and report.shared > 0.2
    assert "12 checks passed, 0 failed" in str(report)
    assert "batches" in check_model(BatchingToy).passed


@pytest.mark.parametrize(
    ("make", "check", "says"),
    [
        (HiddenCounter, "restores", "action_head"),
        (HiddenCounter, "interleaves", "with another world"),
        (Overwriting, "writes in place", "kv_cache1/00"),
        (GlobalNoise, "global random state", "global"),
        (HalfDone, "survives failure", "a call that failed"),
        (OnePrompt, "rebuilds", "rebuilt"),
        (NewIdentity, "identity", "changes from load to load"),
        (SameIdentity, "identity", "other weights"),
        (BrighterEachTime, "decodes", "other frames when it is called again"),
        (Rescaled, "sharing", "older entries changed"),
        (OtherSizes, "shapes", "frames [F, H, W, 3]"),
        (Sticky, "settings", "beside a world with rounds = 3"),
        (NoBatch, "batches", "a batch of two fails"),
        (Rounding, "batches", "other bits than the two steps alone"),
    ],
)
def test_a_planted_fault_is_found(make: Callable[..., ToyModel], check: str, says: str) -> None:
    """By the check that is for it, in words that say what is wrong, and how to mend it."""
    report = _report(make)
    found = [finding for finding in report.findings if finding.check == check]
    assert found, str(report)
    assert says in str(found[0]) and found[0].mend


def test_it_raises_with_everything_that_it_found() -> None:
    """As a test of one's own would use it."""
    with pytest.raises(NotConforming, match="To mend it") as refused:
        check_model(HiddenCounter)
    assert refused.value.report.findings
