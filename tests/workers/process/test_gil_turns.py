"""The moments in which the threads beside the model may work."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.samples import samples
from workers.jobs.steps import take_steps
from workers.process.gil_turns import GilTurns


def _announced() -> GilTurns:
    turns = GilTurns()
    turns.announced = True
    return turns


def _waiter(gil_turns: GilTurns) -> threading.Thread:
    thread = threading.Thread(target=gil_turns.wait)
    thread.start()
    return thread


def test_a_model_that_announces_nothing_holds_nobody_up() -> None:
    """They stay open."""
    turns = GilTurns()
    turns.close()
    assert turns._open.is_set()


def test_who_waits_goes_on_when_the_model_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is closed holds threads up until it is opened."""
    monkeypatch.setattr("workers.process.gil_turns.LONGEST_WAIT_S", 60.0)
    turns = _announced()
    turns.close()
    thread = _waiter(turns)
    thread.join(0.05)
    assert thread.is_alive()
    turns.open()
    thread.join(10)
    assert not thread.is_alive()


def test_turns_that_nobody_opens_are_opened_by_who_waited() -> None:
    """The longest wait ends it for all others as well."""
    turns = _announced()
    turns.close()
    _waiter(turns).join(10)
    assert turns._open.is_set()


def test_a_job_that_fails_leaves_them_open() -> None:
    """Whatever happens in the steps of a job."""
    turns = _announced()
    turns.close()
    run = SimpleNamespace(process=SimpleNamespace(gil_turns=turns), job=None)
    with pytest.raises(AttributeError):
        take_steps(run, 3, {})
    assert turns._open.is_set()


def test_tabletop_announces_every_block_once() -> None:
    """Recording a block included."""
    model, told = TabletopModel.load(), []
    model.on_compute = lambda: told.append(True)
    frame = next(iter(samples().values()))
    for count in (1, 2):
        model.lazy_joint_video_action_causal(model.make_inputs(frame[None], "pick up the red cup"))
        assert len(told) == count
