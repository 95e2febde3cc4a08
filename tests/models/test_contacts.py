"""Things neither leave the table nor come to stand in one another."""

from __future__ import annotations

import pytest
import torch

from arc_fabric.models.tabletop.contacts import GRASP, TOUCH, Contacts
from arc_fabric.models.tabletop.scene import BODY_HIGH, BODY_LOW, KINDS

CUP, BLOCK = 0, 1
TOUCHING = KINDS[CUP].radius + KINDS[BLOCK].radius


@pytest.fixture(scope="module")
def contacts() -> Contacts:
    return Contacts()


def two(cup: tuple[float, float, float], block: tuple[float, float, float]) -> torch.Tensor:
    """[1, kinds, 3]; the other kinds, far away, are not there."""
    return torch.tensor([[cup, block, (30.0, 50.0, 0.0), (30.0, 50.0, 0.0)]])


THERE = torch.tensor([[[1.0], [1.0], [0.0], [0.0]]])


def test_what_is_pushed_into_another_thing_pushes_it_on(contacts: Contacts) -> None:
    before = two((30, 45, 0), (30 + TOUCHING, 45, 0))
    after = contacts.apart(before, two((32, 45, 0), (30 + TOUCHING, 45, 0)), THERE)
    assert after[0, CUP].tolist() == pytest.approx([32, 45, 0], abs=1e-4)
    assert after[0, BLOCK].tolist() == pytest.approx([32 + TOUCHING, 45, 0], abs=1e-4)


def test_it_gives_way_along_the_shallow_side(contacts: Contacts) -> None:
    before = two((30, 45, 0), (31, 40, 0))
    after = contacts.apart(before, two((30, 43.5, 0), (31, 40, 0)), THERE)
    assert after[0, BLOCK].tolist() == pytest.approx([31, 38.5, 0], abs=1e-4)


def test_what_overlapped_already_is_left_alone(contacts: Contacts) -> None:
    """Where things are is known to some tenths of a pixel only: nothing starts to move by itself."""
    before = two((30, 45, 0), (35, 45, 0))
    assert torch.equal(contacts.apart(before, before, THERE), before)


def test_what_stands_on_another_thing_may_be_above_it(contacts: Contacts) -> None:
    before = two((30, 45, 0), (30, 45, KINDS[CUP].support))
    moved = before + torch.tensor([0.5, 0.5, 0.0])
    assert torch.equal(contacts.apart(before, moved, THERE), moved)


def test_what_is_not_there_is_in_nobodys_way(contacts: Contacts) -> None:
    before = two((30, 45, 0), (30 + TOUCHING, 45, 0))
    after = two((33, 45, 0), (30 + TOUCHING, 45, 0))
    assert torch.equal(contacts.apart(before, after, THERE * torch.tensor([1.0, 0, 0, 0])[:, None]), after)


def test_the_third_of_a_row_is_pushed_as_well(contacts: Contacts) -> None:
    green = KINDS[2].radius
    far = 30 + TOUCHING + KINDS[BLOCK].radius + green
    before = torch.tensor([[[30.0, 45, 0], [30 + TOUCHING, 45, 0], [far, 45, 0], [10, 55, 0]]])
    after = before + torch.tensor([[[1.5, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    found = contacts.apart(before, after, torch.ones(1, 4, 1))
    assert found[0, :3, 0].tolist() == pytest.approx([31.5, 31.5 + TOUCHING, far + 1.5], abs=1e-3)


def test_nothing_low_leaves_the_table(contacts: Contacts) -> None:
    before = two((BODY_LOW[0] + 1, 45, 0), (45, BODY_HIGH[1] - 1, 0))
    moved = torch.tensor([[[-5.0, 0, -2], [0, 5, 0], [0, 0, 0], [0, 0, 0]]])
    after = contacts.on_table(before, moved)
    assert after[0, CUP].tolist() == [BODY_LOW[0], 45, 0]
    assert after[0, BLOCK].tolist() == [45, BODY_HIGH[1], 0]


def test_what_is_held_or_beyond_the_edge_already_stays_there(contacts: Contacts) -> None:
    before = two((BODY_LOW[0], 45, 9), (60, 45, 0))
    after = contacts.on_table(before, torch.tensor([[[-2.0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]]))
    assert after[0, CUP].tolist() == [BODY_LOW[0] - 2, 45, 9]
    assert after[0, BLOCK].tolist() == [60, 45, 0]


def test_features_tell_how_far_it_is_to_contact(contacts: Contacts) -> None:
    """The first feature of a pair, and of a thing at a closed gripper, is zero where they touch."""
    places = two((30, 45, 0), (30 + TOUCHING, 45, 0))
    touch = contacts.touch(places, torch.zeros_like(places))
    assert touch.shape == (1, 4, 4, TOUCH) and abs(float(touch[0, CUP, BLOCK, 6])) < 1e-5
    at = torch.tensor([[[KINDS[CUP].radius + 2.5, 0.0, -1.5]] * 4])
    grasp = contacts.grasp(at, torch.ones(1, 1), torch.ones(1, 1))
    assert grasp.shape == (1, 4, GRASP) and abs(float(grasp[0, CUP, 0])) < 1e-5


def test_closed_fingers_stand_on_what_is_below_them(contacts: Contacts) -> None:
    """As in the simulator: not open ones, nor those that are beside it or lower already."""
    places, top = two((30, 45, 0), (50, 50, 0)), KINDS[CUP].height

    def lowered(x: float, z: float, closed: float) -> float:
        before, after = torch.tensor([[x, 45.0, z, closed]]), torch.tensor([[x, 45.0, z - 2, closed]])
        return float(contacts.above(places, THERE, before, after)[0, 2])

    assert lowered(31, top + 1, 1.0) == top
    assert lowered(31, top + 1, -1.0) == top - 1
    assert lowered(36, top + 1, 1.0) == top - 1
    assert lowered(31, top - 1, 1.0) == top - 3
    assert lowered(31, top + 5, 1.0) == top + 3
