"""Exports are what their readers take: a dataset for lerobot's checker, a recording for Rerun, tables."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.export import lerobot
from arc_fabric.export.actions import columns, table_bytes
from arc_fabric.export.episode import Episode, episode_of
from arc_fabric.export.features import CAMERA
from arc_fabric.export.lerobot import write_lerobot
from arc_fabric.export.measures import combined, of_rows
from arc_fabric.export.recording import write_rerun
from arc_fabric.records import Node

EXAMPLE = json.loads((Path(__file__).parents[1] / "data" / "lerobot_v3.json").read_text())
NAMES = ("dx", "dy", "dz", "grip")


def frames_of(checkpoint: str) -> np.ndarray:
    """Eight frames that differ by checkpoint and time; one of a root."""
    seed = sum(map(ord, checkpoint))
    count = 1 if checkpoint.startswith("root") else 8
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def branch(name: str, steps: int, *, horizon: int = 8, state: bool = True, prompt: str = "pick it up") -> Episode:
    """A branch of random actions."""
    rng = np.random.default_rng(steps)
    path = [Node(id=f"root-{name}", n_frames=1, prompt=prompt)]
    path += [
        Node(id=f"{name}-{n}", frame_index=n, prompt=prompt, seed=3, n_frames=8, score=0.5,
             actions=rng.uniform(-1, 1, (horizon, 4)).tolist(), state=[0.1 * n] * 4 if state else None)
        for n in range(1, steps + 1)
    ]  # fmt: skip
    return episode_of(path, frames_of, name=name)


def doctor(folder: Path) -> dict[str, Any]:
    """What lerobot-doctor finds."""
    command = [sys.executable, "-m", "lerobot_doctor.cli", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout) if done.stdout else {"failed": done.stderr}


def test_a_dataset_is_what_lerobot_itself_writes(tmp_path: Path) -> None:
    """Files, columns and their types, members of info.json and of the statistics, as in a dataset that lerobot made."""
    folder = tmp_path / "set"
    write_lerobot(folder, [branch("a", 2), branch("b", 2)], fps=10.0, action_names=NAMES, robot="tabletop")
    for file, schema in EXAMPLE["schemas"].items():
        ours = {column.name: str(column.type) for column in pq.read_schema(folder / file)}
        assert ours == schema, file
    info = json.loads((folder / "meta" / "info.json").read_text())
    wanted = EXAMPLE["info"]
    wanted["features"]["observation.state"]["names"] = info["features"]["observation.state"]["names"]
    assert info == wanted
    stats = json.loads((folder / "meta" / "stats.json").read_text())
    assert {name: sorted(members) for name, members in stats.items()} == EXAMPLE["stats"]
    assert np.shape(stats[CAMERA]["mean"]) == (3, 1, 1)
    assert pq.read_schema(folder / "data/chunk-000/file-000.parquet").metadata[b"huggingface"]


def test_the_doctor_finds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    episodes = [branch("a", 3), branch("b", 2, prompt="push it"), branch("c", 4)]
    write_lerobot(folder, episodes, fps=8.0, action_names=NAMES)
    checks = {check["name"]: check for check in doctor(folder)["checks"]}
    formal = [name for name, check in checks.items() if check["severity"] == "PASS"]
    assert len(formal) >= 8, checks
    said = [message for check in checks.values() for message in check["messages"] if message["severity"] != "PASS"]
    assert all("too short" in str(one) or "shorter than" in str(one) or "stuck" in str(one) for one in said), said


def test_rows_go_with_frames(tmp_path: Path) -> None:
    """A row is a frame and the action after it; the last frame is none. Indices run on, tasks are numbered."""
    a, b = branch("a", 2), branch("b", 1, prompt="push it")
    write_lerobot(tmp_path / "set", [a, b], fps=8.0, action_names=NAMES)
    rows = pq.read_table(tmp_path / "set" / "data/chunk-000/file-000.parquet").to_pydict()
    assert rows["index"] == list(range(24))
    assert rows["frame_index"] == [*range(16), *range(8)]
    assert rows["task_index"] == [0] * 16 + [1] * 8
    assert rows["timestamp"][:3] == [0.0, 0.125, 0.25]
    assert np.allclose(rows["action"][8], a.steps[1].actions[0])
    shown = list(a.frames())
    assert len(shown) == 16
    assert np.array_equal(shown[0], frames_of("root-a")[0])
    assert np.array_equal(shown[1], frames_of("a-1")[0])
    episodes = pq.read_table(tmp_path / "set" / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row[f"videos/{CAMERA}/from_timestamp"] for row in episodes] == [0.0, 2.0]
    assert [(row["dataset_from_index"], row["dataset_to_index"]) for row in episodes] == [(0, 16), (16, 24)]


def test_files_roll_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot, "DATA_MB", 0)
    monkeypatch.setattr(lerobot, "VIDEO_MB", 0)
    monkeypatch.setattr(lerobot, "EPISODES_PER_FILE", 2)
    write_lerobot(tmp_path / "set", [branch(name, 1) for name in "abc"], fps=8.0, action_names=NAMES)
    assert len(list(tmp_path.glob("set/data/*/*.parquet"))) == 3
    assert len(list(tmp_path.glob("set/meta/episodes/*/*.parquet"))) == 2
    places = [row["data/file_index"] for file in sorted(tmp_path.glob("set/meta/episodes/*/*.parquet"))
              for row in pq.read_table(file).to_pylist()]  # fmt: skip
    assert places == [0, 1, 2]
    assert doctor(tmp_path / "set")["summary"]["FAIL"] == 0


def test_what_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="the others"):
        write_lerobot(tmp_path / "set", [branch("a", 1), branch("b", 1, state=False)], fps=8.0)
    with pytest.raises(InvalidRequest, match="whole number"):
        write_lerobot(tmp_path / "set", [branch("a", 1)], fps=7.5)
    with pytest.raises(InvalidRequest, match="no episode"):
        write_lerobot(tmp_path / "set", [], fps=8.0)
    with pytest.raises(InvalidRequest, match="no steps"):
        branch("a", 0)
    assert list(tmp_path.iterdir()) == []
    write_lerobot(tmp_path / "set", [branch("a", 1, horizon=4, state=False)], fps=8.0)
    with pytest.raises(Conflict):
        write_lerobot(tmp_path / "set", [branch("a", 1)], fps=8.0)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(size=(50, 3))
    whole, parts = of_rows(values), combined([of_rows(values[:20]), of_rows(values[20:])])
    for name in ("min", "max", "mean", "std", "count"):
        assert np.allclose(whole[name], parts[name]), name


def test_a_recording_holds_all_branches(tmp_path: Path) -> None:
    path = write_rerun(tmp_path / "tree.rrd", [branch("a", 2), branch("b", 1)], fps=8.0, action_names=NAMES)
    assert not path.with_name("tree.rrd.part").exists()
    read = [sys.executable, "-m", "rerun", "rrd", "print", "-v", str(path)]
    said = subprocess.run(read, capture_output=True, text=True, timeout=120, check=True).stdout
    for entity, rows in (("/A", 16), ("/B", 8)):
        video = [line for line in said.splitlines() if f"{entity}/video@VideoFrameReference" in line]
        assert len(video) == 1
        assert f"with {rows} rows" in video[0]
        for part in ("@AssetVideo:blob", "@VideoFrameReference:timestamp"):
            assert f"{entity}/video{part}" in said
        assert f"{entity}/actions@Scalars:scalars" in said
        assert f"{entity}@head" in said


def test_tables_have_a_row_per_action() -> None:
    found = columns([branch("a", 2), branch("=b", 1)], NAMES)
    assert len(found["dx"]) == len(found["branch"]) == 24
    assert found["place"][:9] == [*range(8), 0]
    lines = list(csv.DictReader(io.StringIO(table_bytes(found, "csv").decode())))
    assert lines[-1]["branch"] == "'=b"
    assert pq.read_table(io.BytesIO(table_bytes(found, "parquet"))).num_rows == 24


def test_a_table_of_actions_of_several_lengths() -> None:
    """As a bundle of somebody else may hold them: what one has not is empty."""
    odd = branch("a", 2)
    odd.steps[1].actions = [[1.0, 2.0], []]  # type: ignore[misc]
    table = columns([odd], NAMES)
    assert {len(values) for values in table.values()} == {10}
    assert table["dx"][8:] == [1.0, None] and table["grip"][8:] == [None, None]
    lines = list(csv.DictReader(io.StringIO(table_bytes(table, "csv").decode())))
    assert (lines[8]["dy"], lines[8]["dz"], lines[9]["dx"]) == ("2.0", "", "")
