"""Where things are believed to be between what was foreseen and what is seen."""

from __future__ import annotations

import torch

from arc_fabric.models.tabletop.foresight import REST, SURPRISE, Foresight, remembered
from arc_fabric.models.tabletop.scene import KINDS


def _things(*places: tuple[int, float, float, float]) -> torch.Tensor:
    """Things [1, kinds, 4] of (kind, x, y, presence); z is 0."""
    things = torch.zeros(1, len(KINDS), 4)
    for kind, x, y, there in places:
        things[0, kind] = torch.tensor([x, y, 0.0, there])
    return things


def test_what_was_foreseen_keeps_its_fine_position():
    """Eyes that are a little off move nothing."""
    foreseen = _things((0, 20.0, 45.0, 1.0))
    assert torch.equal(remembered(foreseen, _things((0, 20.9, 44.5, 0.98))), foreseen)


def test_what_is_hidden_is_not_forgotten():
    """A thing that the eyes miss stays where it was foreseen, and one that was never there does not appear."""
    foreseen = _things((1, 30.0, 50.0, 1.0))
    assert torch.equal(remembered(foreseen, _things((1, 31.0, 50.0, 0.1), (2, 9.0, 40.0, 0.3))), foreseen)


def test_the_eyes_are_believed_when_something_is_elsewhere_or_new():
    """What is seen far from where it was foreseen, or seen for the first time, is taken over."""
    foreseen = _things((0, 20.0, 45.0, 1.0), (1, 40.0, 50.0, 1.0))
    seen = _things((0, 20.0 + SURPRISE + 0.5, 45.0, 0.97), (1, 40.5, 50.0, 0.9), (3, 12.0, 52.0, 0.8))
    found = remembered(foreseen, seen)
    assert torch.equal(found[0, 0], seen[0, 0])
    assert torch.equal(found[0, 1], foreseen[0, 1])
    assert torch.equal(found[0, 3], seen[0, 3])


def _ahead(moved: tuple[float, float, float], *, training: bool = False) -> torch.Tensor:
    """Where a foresight that would move everything by so much every frame sees two things after 8 actions at rest."""
    foresight = Foresight().train(training)
    with torch.no_grad():
        foresight.leave.bias.copy_(torch.tensor(moved))
        pose = torch.tensor([[32.0, 44.0, 16.0, 1.0]])
        return foresight(_things((0, 20.0, 45.0, 1.0), (1, 40.0, 50.0, 1.0)), pose, torch.zeros(1, 8, 4))[:, -1]


def test_what_would_hardly_move_stays():
    """To the bit, also where it would sink into the table, which it cannot."""
    before = _things((0, 20.0, 45.0, 1.0), (1, 40.0, 50.0, 1.0))
    creeping = (0.6 * REST, 0.0, -0.5)
    assert torch.equal(_ahead(creeping)[0, :2], before[0, :2])
    assert not torch.equal(_ahead(creeping, training=True)[0, :2], before[0, :2])


def test_what_moves_moves():
    """By as much as foreseen, frame by frame."""
    after = _ahead((2 * REST, 0.0, 0.0))
    assert torch.allclose(after[0, :2, 0], torch.tensor([20.0, 40.0]) + 16 * REST, atol=1e-4)
