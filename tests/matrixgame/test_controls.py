"""What needs no checkout: controls, and what is said where there is none."""

from __future__ import annotations

import pytest

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.matrixgame.controls import controls_of
from arc_fabric.models.registry import load_model


@pytest.mark.parametrize(("mode", "count"), [("universal", 6), ("gta_drive", 4), ("templerun", 7)])
def test_each_mode_has_keys_and_perhaps_a_mouse(mode: str, count: int) -> None:
    """Keys are 0 or 1."""
    controls = controls_of(mode)
    assert len(controls) == count
    assert {control.kind for control in controls[:2]} == {"discrete"}
    assert (controls[-1].kind == "continuous") == (mode != "templerun")


def test_without_a_checkout_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that names it."""
    monkeypatch.delenv("ARC_FABRIC_MATRIXGAME_SRC", raising=False)
    with pytest.raises(ModelUnavailable, match="names no checkout of Matrix-Game 2"):
        load_model("matrixgame:a#b#c", "cpu")
