"""Sessions that step together: exact batches have the bits of steps alone, fast ones agree to rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager, StepResult
from arc_fabric.batches.together import RowStep, step_together
from arc_fabric.errors import InvalidRequest, NonFiniteLatents
from arc_fabric.models.contract import WorldModel
from arc_fabric.models.registry import load_model
from tests.sdk.worlds import OTHER, PROMPT, assert_same
from tests.support.batching_toy import BatchingToy
from tests.support.toy_model import InjectedFaultError, ToyModel

ROWS = 3


@pytest.fixture(scope="module")
def tabletop() -> WorldModel:
    """The shipped model."""
    return load_model("tabletop", "cpu")


@pytest.fixture(params=["toy", "tabletop"])
def model(request: pytest.FixtureRequest) -> WorldModel:
    """A model that steps several rows in one call."""
    return BatchingToy() if request.param == "toy" else request.getfixturevalue("tabletop")


def _trunk(model: WorldModel, steps: int) -> Session:
    picture = ToyModel.sample_frame() if isinstance(model, ToyModel) else next(iter(model.samples().values()))  # type: ignore[attr-defined]
    trunk = Session("trunk", model, StateManager(model), PROMPT, picture)
    for _ in range(steps):
        trunk.step()
    return trunk


def _forks(trunk: Session, count: int = ROWS, **more: str) -> list[Session]:
    return [trunk.fork(seed=seed, **more) for seed in range(count)]


def _steps(forks: list[Session], *, fast: bool = False) -> list[StepResult]:
    answers = step_together([RowStep(fork) for fork in forks], fast=fast)
    assert all(isinstance(answer, StepResult) for answer in answers), answers
    return answers  # type: ignore[return-value]


def test_exact_rows_have_the_bits_of_steps_alone(model: WorldModel) -> None:
    """Over a window's end and its next beginning."""
    trunk = _trunk(model, 1)
    together, alone = _forks(trunk), _forks(trunk)
    for _ in range(5):
        taken = _steps(together)
        assert [one.rows for one in taken] == [ROWS] * ROWS
        for row, fork in zip(taken, alone, strict=True):
            assert_same(row, fork.step())


def test_the_seeds_of_rows_are_no_default(model: WorldModel) -> None:
    """After a batch the head has its own seed again."""
    own = model.action_head.seed
    _steps(_forks(_trunk(model, 1)))
    assert model.action_head.seed == own == StateManager(model).default_seed


def test_a_row_goes_on_alone_with_the_same_bits(model: WorldModel) -> None:
    """What an exact batch leaves in a session and in the store is what a step leaves there."""
    trunk = _trunk(model, 0)
    together, alone = _forks(trunk), _forks(trunk)
    _steps(together)
    expected = [(fork.step(), fork.step())[1] for fork in alone]
    for fork, other in zip(together, expected, strict=True):
        again = Session.from_checkpoint("again", model, trunk.manager, fork.head or "")
        assert_same(again.step(), other)
        assert_same(fork.step(), other)


def test_fast_rows_agree_to_rounding(model: WorldModel) -> None:
    trunk = _trunk(model, 2)
    for taken, fork in zip(_steps(_forks(trunk), fast=True), _forks(trunk), strict=True):
        alone = fork.step()
        assert taken.rows == ROWS
        assert torch.allclose(taken.step_latents, alone.step_latents, atol=1e-3)
        assert np.abs(taken.frames.astype(int) - alone.frames).max() <= 2


def test_rows_of_other_forms_get_a_pass_of_their_own() -> None:
    """Another place in the window, given actions, a new prompt in each mode: all have the bits of steps alone."""
    model = BatchingToy()
    trunk = _trunk(model, 3)
    given = np.full((8, 4), 0.25, np.float32)

    def made() -> list[RowStep]:
        kept, recached, reset = (trunk.fork(prompt=OTHER, prompt_mode=mode) for mode in ("keep", "recache", "reset"))
        older = trunk.manager.list_checkpoints("trunk")[1].checkpoint_id
        rows = [*_forks(trunk, 2), kept, recached, reset, trunk.fork(older), trunk.fork()]
        return [RowStep(row, given if number in (1, 6) else None) for number, row in enumerate(rows)]

    for taken, row in zip(step_together(made()), made(), strict=True):
        assert isinstance(taken, StepResult), taken
        assert_same(taken, row.session.step(row.action))
    assert max(model.batch_calls) == 3, "rows of one form share a pass"


def test_a_row_that_fails_leaves_the_others_alone() -> None:
    """Not finite, refused, and a pass that raises as a whole: only one row's session stays where it was."""
    model = BatchingToy()
    trunk = _trunk(model, 1)
    forks = _forks(trunk)
    model.fault = "nan"  # of the first row's computation
    answers = step_together([RowStep(fork) for fork in forks])
    assert isinstance(answers[0], NonFiniteLatents)
    assert [fork.frame_index for fork in forks] == [1, 2, 2]
    again = step_together([RowStep(forks[0]), RowStep(forks[1], action=[["x"]])])
    assert isinstance(again[0], StepResult)
    assert isinstance(again[1], InvalidRequest)
    twice = trunk.fork(seed=0)
    assert_same(again[0], twice.step())


def test_a_pass_that_raises_is_tried_row_by_row() -> None:
    model = BatchingToy()
    trunk = _trunk(model, 1)
    forks = _forks(trunk)
    model.fault = "denoise"
    assert [one.rows for one in _steps(forks)] == [1, 1, 1]
    for fork, alone in zip(forks, _forks(trunk), strict=True):
        alone.step()
        assert_same(fork.step(), alone.step())


def test_a_model_that_cannot_batch_steps_one_by_one() -> None:
    model = ToyModel()
    trunk = _trunk(model, 1)
    for taken, fork in zip(_steps(_forks(trunk)), _forks(trunk), strict=True):
        assert_same(taken, fork.step())
    with pytest.raises(InvalidRequest, match="one forward pass"):
        step_together([RowStep(fork) for fork in _forks(trunk)], fast=True)
    model.fault = "prefill"
    answers = step_together([RowStep(fork) for fork in _forks(trunk)])
    assert isinstance(answers[0], InjectedFaultError)
    assert isinstance(answers[1], StepResult)


def test_a_session_steps_once_per_call() -> None:
    fork = _trunk(BatchingToy(), 1)
    with pytest.raises(InvalidRequest, match="twice"):
        step_together([RowStep(fork), RowStep(fork)])
