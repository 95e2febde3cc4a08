"""The example of a model of one's own: it keeps the contract, and is served by its module and by an entry point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arc_fabric import World
from arc_fabric.errors import ModelUnavailable, UnknownSetting
from arc_fabric.models.registry import load_model
from arc_fabric.testing import check_model
from examples.own_model import SIZE, Drift, load

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_model.py"


def test_the_example_keeps_the_contract() -> None:
    """By the suite that it is checked with; it is short enough to copy from."""
    report = check_model(load, others=[lambda: Drift(weights_seed=1)])
    assert not report.findings and report.model == "drift"
    assert 60 <= len(EXAMPLE.read_text().splitlines()) <= 100


def test_it_is_served_by_its_module(tmp_path: Path) -> None:
    """A world of it, stepped with actions, forked, and opened again by another."""
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    with World("python:examples.own_model:load", store=tmp_path / "store", device="cpu") as world:
        trunk = world.session("drift", picture, seed=3)
        steps = trunk.step(10)
        push = trunk.fork(at=4).step(1, actions=[np.ones((4, 2))])[0]
        assert push.steered and not np.array_equal(push.latents, steps[4].latents)
        expected, saved = steps[9].latents.copy(), steps[8].checkpoint_id
    with World("python:examples.own_model:load", store=tmp_path / "store", device="cpu") as world:
        assert np.array_equal(world.open(saved).step()[0].latents, expected)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that names models by entry points."""
    facts = tmp_path / "drifting-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: drifting\nVersion: 1.0\n")
    names = {"drift": "examples.own_model:load", "gone": "no.such.module:load", "odd": "builtins:str",
             "angry": "tests.testing.test_own_model:refuse"}  # fmt: skip
    lines = [f"{name} = {place}" for name, place in names.items()]
    (facts / "entry_points.txt").write_text("\n".join(["[arc_fabric.models]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))


def refuse(device: str) -> None:
    """A loader that fails."""
    raise OSError(f"no weights for {device}")


@pytest.mark.usefixtures("installed")
def test_it_is_served_by_an_entry_point() -> None:
    """By the name that a package gives it; an unknown name is refused with those that are there."""
    assert load_model("drift").identity().name == "drift"
    with pytest.raises(UnknownSetting, match="drift"):
        load_model("nobody")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone", "No module named 'no'"),
        ("odd", "without action_head, abilities"),
        ("angry", "OSError: no weights for cpu"),
        ("python:examples.own_model:nothing", "has no attribute"),
    ],
)
def test_a_model_that_cannot_be_made_is_named(name: str, says: str) -> None:
    """The module, what it lacks, or what its loader raised."""
    with pytest.raises(ModelUnavailable, match=says):
        load_model(name)
