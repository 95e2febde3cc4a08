"""Frames that a model hands on before its block is done."""

from __future__ import annotations

import numpy as np
import pytest

from arc_fabric import Session, StateManager
from arc_fabric.errors import ModelError
from arc_fabric.models.contract import StepInput
from arc_fabric.ranks.given import message_of, step_of
from tests.sdk.worlds import PROMPT, assert_same
from tests.support.rolling_model import SPAN, RollingToy


def world(streams: bool = True) -> Session:
    """A world from its prompt alone."""
    model = RollingToy(streams=streams)
    return Session("ses", model, StateManager(model), PROMPT, seed=3)


class Watcher:
    """Who looks."""

    def __init__(self, breaks: bool = False) -> None:
        self.seen: list[np.ndarray] = []
        self.places: list[int] = []
        self._breaks = breaks

    def __call__(self, frames: np.ndarray, at: int) -> None:
        self.seen.append(frames)
        self.places.append(at)
        if self._breaks and at:
            raise OSError("nobody is there any more")


def test_pictures_come_one_latent_after_the_other() -> None:
    """The bits of the step, whoever looks; each frame once, though the model overwrites the array it hands on."""
    watched, alone = world(), world()
    for _ in range(4):
        watcher = Watcher()
        step = watched.step(on_frames=watcher)
        assert_same(step, alone.step())
        assert watcher.places == [0, SPAN, 2 * SPAN]
        assert np.array_equal(np.concatenate(watcher.seen), step.frames)


def test_a_model_that_does_not_stream_shows_nothing() -> None:
    """Its frames come with the step."""
    watcher = Watcher()
    assert len(world(streams=False).step(on_frames=watcher).frames) == 6
    assert watcher.seen == []


@pytest.mark.parametrize("place", ["half", "write"])
def test_a_step_that_fails_after_its_pictures_leaves_the_world_where_it_was(place: str) -> None:
    """They are of no world; the retry shows them again, with the bits."""
    session, plain = world(), world()
    session.step()
    plain.step()
    watcher = Watcher()
    session.model.fail_at = place
    with pytest.raises(RuntimeError, match="broken"):
        session.step(on_frames=watcher)
    assert session.frame_index == 1 and len(watcher.seen) == 3
    again = Watcher()
    step = session.step(on_frames=again)
    assert_same(step, plain.step())
    assert np.array_equal(np.concatenate(again.seen), np.concatenate(watcher.seen))


def test_who_looks_and_fails_ends_the_step() -> None:
    """Its own error; nothing of the step stays."""
    session, plain = world(), world()
    with pytest.raises(OSError, match="nobody is there"):
        session.step(on_frames=Watcher(breaks=True))
    assert session.frame_index == 0
    assert_same(session.step(), plain.step())


def test_other_pictures_than_the_steps_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """ModelError, before a checkpoint is made; unwatched it is a step like any other."""
    session = world()
    monkeypatch.setattr(
        session.model, "_show", lambda latents, given: given.hand_on(np.zeros((1, 32, 32, 3), np.uint8))
    )
    session.step()
    with pytest.raises(ModelError, match="showed other pictures"):
        session.step(on_frames=Watcher())
    assert session.frame_index == 1


def test_other_ranks_show_nothing() -> None:
    """What a step is given travels to them without who looks."""
    given = StepInput("walk", 3, 2, action=np.ones((2, 3), np.float32), show=print)
    body, tensors = message_of(given)
    made = step_of(body, tensors)
    assert made.show is None and (made.prompt, made.seed, made.step) == ("walk", 3, 2)
    assert np.array_equal(made.action, given.action)  # type: ignore[arg-type]
