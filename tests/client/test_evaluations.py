"""Evaluations as people drive them from Python, on a real system with a media worker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from arc_fabric.client import ArcFabric, AsyncArcFabric, RemoteEvaluation, RemoteSession
from arc_fabric.errors import Conflict, InvalidRequest


@pytest.fixture
def done(fabric: ArcFabric, trunk: RemoteSession) -> RemoteEvaluation:
    """Two prompts, two seeds, two steps; good is what moves."""
    trunk.step(1)
    evaluation = fabric.evaluate(
        checkpoints=[trunk.head], prompts=["a", "b"], repeats=2, steps=2,
        scorers=[{"name": "motion", "options": {"least": 0.0}}, {"name": "seed_spread"}],
    )  # fmt: skip
    assert evaluation.wait(120).good == 4
    return evaluation


def test_results_can_be_seen_and_judged_anew(done: RemoteEvaluation, tmp_path: Path) -> None:
    grid, one = done.save_grid(tmp_path / "grid.mp4"), done.save_video(3, tmp_path / "three.webp")
    assert grid.read_bytes()[4:8] == b"ftyp"
    assert one.read_bytes()[8:12] == b"WEBP"
    with pytest.raises(InvalidRequest, match="expected a name"):
        done.save_grid(tmp_path / "grid.avi")
    again = done.rescore([{"name": "motion", "options": {"least": 255.0}}, "smoothness"], label="stricter")
    info = again.wait(60)
    assert (info.rescores, info.bad, info.steps, info.label) == (done.id, 4, 0, "stricter")
    found = done.compare(again)
    assert (found["pairs"], found["only_first"]) == (4, 4)
    assert again.rows()[0]["scores"][0]["version"]
    summary = done.summary()
    if summary["groups"]:  # judged once it rests
        assert {group["prompt"] for group in summary["groups"]} == {"a", "b"}
    with pytest.raises(InvalidRequest, match="no scorer"):
        done.rescore(["nobody"])


def test_one_that_runs_is_not_judged_anew(fabric: ArcFabric, trunk: RemoteSession) -> None:
    running = fabric.evaluate(checkpoints=[trunk.head], seeds="0-30", steps=5)
    with pytest.raises(Conflict, match="runs"):
        running.rescore(["motion"])
    running.cancel()


def test_results_come_one_by_one_to_asyncio(fabric: ArcFabric, trunk: RemoteSession) -> None:
    url, head = fabric.transport.url, trunk.head

    async def run() -> list[int]:
        async with AsyncArcFabric(url) as there:
            both = [await there.evaluate(checkpoints=[head], seeds=[seed], steps=1) for seed in (4, 5)]
            return [row["seed"] for one in both for row in [row async for row in one.as_completed()]]

    assert asyncio.run(run()) == [4, 5]
