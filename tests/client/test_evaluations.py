"""Evaluations as people drive them from Python, on a real system with a media worker."""

from __future__ import annotations

import asyncio
import json
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


def test_settings_of_the_model_are_tried(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """Grouped in results; a variant with the defaults has the bits of one without; a fork of what was made goes on
    with its settings."""
    plain = fabric.evaluate(checkpoints=[trunk.head], steps=2, scorers=[{"name": "motion"}])
    tried = fabric.evaluate(
        checkpoints=[trunk.head], steps=2, model_settings={"rounds": [2, 5]}, scorers=[{"name": "motion"}]
    )
    assert (plain.wait(120).done, tried.wait(120).done) == (1, 2)
    rows = tried.rows()
    assert [row["model_settings"] for row in rows] == ["rounds=2", "rounds=5"]
    assert [one["model_settings"] for one in tried.summary()["by"]["model_settings"]] == ["rounds=2", "rounds=5"]
    assert [fabric.checkpoint(row["head"]).model_settings for row in rows] == [{}, {"rounds": 5}]
    assert rows[0]["score"] == plain.rows()[0]["score"] != rows[1]["score"]
    fork = fabric.open(rows[1]["head"])
    assert fork.model_settings == {"rounds": 5}
    fork.close()


def test_variants_begin_at_samples_too(fabric: ArcFabric, tmp_path: Path) -> None:
    """Named in the file; nothing is begun for a plan that cannot work."""
    before = len(fabric.sessions())
    name = fabric.samples()[0]
    with pytest.raises(InvalidRequest, match="twice"):
        fabric.evaluate(samples=[name], seeds=[1, 1], steps=1)
    with pytest.raises(InvalidRequest, match="names of sample frames"):
        fabric.evaluate(samples=name, steps=1)
    assert len(fabric.sessions()) == before
    file = tmp_path / "plan.toml"
    file.write_text(f'samples = ["{name}"]\nprompts = ["push it"]\nrepeats = 2\nsteps = 1\n')
    evaluation = fabric.evaluate(file)
    assert evaluation.wait(120).done == 2
    (at,) = {row["checkpoint"] for row in evaluation.rows()}
    root = fabric.checkpoint(at)
    assert (root.frame_index, root.prompt) == (0, "push it")


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


def test_branches_go_to_other_tools(
    done: RemoteEvaluation, fabric: ArcFabric, trunk: RemoteSession, tmp_path: Path
) -> None:
    """A table, a dataset and a recording, of an evaluation, of a branch and of a tree; a folder that is there stays."""
    folder = done.export(tmp_path / "set")
    info = json.loads((folder / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"]) == ("v3.0", 4)
    facts = json.loads((folder / "meta" / "arc_fabric.json").read_text())["episodes"]
    assert [one["head"] for one in facts] == [row["head"] for row in done.rows()]
    assert [one["verdict"] for one in facts] == [True] * 4
    with pytest.raises(Conflict, match="there already"):
        done.export(folder)
    table = fabric.export(trunk, tmp_path / "trunk.csv").read_text().splitlines()
    assert len(table) == 1 + len(trunk.actions(1)), "a row per action of its one step"
    tree = fabric.export(f"trees/{trunk.to_dict()['root']}", tmp_path / "tree.rrd")
    assert tree.read_bytes()[:4] == b"RRF2"
    with pytest.raises(InvalidRequest, match="expected a name"):
        done.export(tmp_path / "set.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "tree.rrd", "trunk.csv"], "nothing half-made"
