"""The toy model with faults that a prompt asks for, so that a test can make a worker process misbehave.

"raise"   the next call raises        "nan"   the next call returns NaN      "oom"   it runs out of memory
"sleep N" every call takes N seconds  "segv"  the process dies
"ignore"  given actions are recorded only
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from typing import ClassVar

import torch

from tests.support.batching_toy import BatchingToy
from tests.support.toy_model import ToyModel


class FaultyModel(ToyModel):
    """A toy model that reads its prompt."""

    prompts: ClassVar[dict[tuple[int, ...], str]] = {}

    def make_inputs(self, frames, prompt, *, action=None, **kwargs):
        """Remember the prompt of the coming call."""
        self.prompts[tuple(self.language_of(prompt)[0].tolist())] = prompt
        follows = not prompt.startswith("ignore")
        self.abilities = replace(type(self).abilities, steers_with_actions=follows)
        return super().make_inputs(frames, prompt, action=action if follows else None, **kwargs)

    def lazy_joint_video_action_causal(self, inputs, latent_video=None):
        """Do what the prompt says, then step."""
        word, _, rest = self.prompts[tuple(inputs["text"][0].tolist())].partition(" ")
        if word == "raise":
            self.fault = "denoise"
        elif word == "nan":
            self.fault = "nan"
        elif word == "oom":
            raise torch.OutOfMemoryError("the device is full")
        elif word == "sleep":
            time.sleep(float(rest))
        elif word == "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().lazy_joint_video_action_causal(inputs, latent_video)


class FaultyBatches(BatchingToy, FaultyModel):
    """One that steps several rows in one call; each row does what its own prompt says."""


def make_batching_model(device: str) -> FaultyBatches:
    """For the setting `model = python:tests.workers.faulty:make_batching_model`."""
    return FaultyBatches(device)


def make_impatient_batches(device: str) -> FaultyBatches:
    """The same in a worker that waits two seconds for storage, not ten minutes."""
    from workers.jobs import commits

    commits.STORED_WITHIN_S = 2.0
    return FaultyBatches(device)


def make_model(device: str) -> FaultyModel:
    """For the setting `model = python:tests.workers.faulty:make_model`."""
    print("the model loads", file=sys.stderr, flush=True)  # commands that print JSON load it, too
    time.sleep(float(os.environ.get("ARC_TEST_LOAD_S", "0")))
    return FaultyModel(device)
