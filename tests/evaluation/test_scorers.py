"""Scorers by name: those that come along, those of other packages, those of modules that are allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation import scorers

OWN = '''
from arc_fabric.evaluation.scores import Score


def steady(branch, *, limit=1.0):
    """How steady it is."""
    return Score(0.5, True, "steady")


steady.version = "3"
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed and registers a scorer."""
    (tmp_path / "steady_scorers.py").write_text(OWN)
    facts = tmp_path / "steady_scorers-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: steady-scorers\nVersion: 1.0\n")
    lines = ["[arc_fabric.scorers]", "steady = steady_scorers:steady", ""]
    (facts / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("package")
def test_a_package_brings_its_own() -> None:
    """By an entry point: listed, allowed without a setting, loaded with its version."""
    assert scorers.names()["steady"] == "from steady_scorers:steady"
    scorers.check_name("steady", ())
    assert scorers.scorer_of("steady")(None).reason == "steady"
    assert scorers.version_of("steady") == "3"
    assert not scorers.of_groups("steady")


@pytest.mark.usefixtures("package")
def test_a_function_is_named_where_its_module_is_allowed() -> None:
    """Names come over HTTP: what whoever runs the server has not allowed is not even imported."""
    with pytest.raises(InvalidRequest, match="not allowed"):
        scorers.check_name("steady_scorers:steady", ())
    scorers.check_name("steady_scorers:steady", ("steady_scorers",))
    for name in ("steady_scorers:__import__('os')", "steady_scorers.deeper:steady", "nobody", ":steady"):
        with pytest.raises(InvalidRequest):
            scorers.check_name(name, ("steady_scorers",))
    with pytest.raises(InvalidRequest, match="cannot be loaded"):
        scorers.scorer_of("steady_scorers:nobody")


def test_those_that_come_along_say_what_they_measure() -> None:
    assert len(scorers.BUILT_IN) >= 8
    assert all(scorers.names()[name] for name in scorers.BUILT_IN)
    assert scorers.of_groups("seed_spread")
