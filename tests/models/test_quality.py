"""The shipped weights do what the model card says of them: floors that a worse training run would fall through.

The bars of the evaluation are higher; `python -m arc_fabric.models.tabletop.evaluate` measures against those.
"""

from __future__ import annotations

import numpy as np
import pytest

from arc_fabric.models.tabletop.evaluate import asked, given
from arc_fabric.models.tabletop.evaluate.cases import HeldOut
from arc_fabric.models.tabletop.evaluate.dreams import Model, Simulator
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.weights import WEIGHTS


@pytest.fixture
def dreamer(model: TabletopModel) -> Model:
    """The shipped model."""
    return Model(model, WEIGHTS)


def test_the_judge_sees_what_is_there(dreamer: Model) -> None:
    """On the simulator's own frames it is off by less than half a pixel and always right about success."""
    (row,) = given.reader(dreamer, HeldOut(5, 6))
    assert row.value < 0.5
    assert row.beside["agrees on success, %"] == 100


def test_vae_reconstructs(dreamer: Model) -> None:
    """Real frames survive encoding and decoding."""
    assert given.reconstruction(dreamer, HeldOut(5, 3))[0].value >= 33


def test_given_actions_are_followed(dreamer: Model) -> None:
    """Under an expert's actions the gripper goes where it goes, and things go with it."""
    gripper, thing = given.steered(dreamer, HeldOut(5, 6))
    assert gripper.value < gripper.beside["last frame repeated"] * 0.6
    assert thing.beside["px"] < 10
    (row,) = given.sharpness(dreamer, HeldOut(5, 6))
    assert row.value >= row.beside["last frame repeated"] + 4
    assert row.value >= row.beside["transformer's heads zeroed"] + 6


def test_prompts_are_followed(dreamer: Model) -> None:
    """Some prompted rollouts succeed, and none of a model without its heads."""
    pick, push = asked.cup(dreamer, HeldOut(5, 6))
    assert pick.value + push.value >= 60
    assert pick.beside["transformer's heads zeroed"] + push.beside["transformer's heads zeroed"] == 0


def test_the_simulator_meets_the_bars() -> None:
    """What is asked of the model can be reached: the simulator's own episodes meet the bars of the prompts."""
    for measure in (asked.right_object, asked.swapped):
        rows = measure(Simulator(), HeldOut(5, 16))
        assert np.all([row.met for row in rows]), rows
