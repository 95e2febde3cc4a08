"""The commands against the running system: the main job as typed in a terminal, and what scripts get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.services.stack import RunningStack


@pytest.fixture
def trunk(remote_cli: Cli, picture: str) -> Iterator[str]:
    """A session at step 3; closed afterwards with its forks."""
    words = ("new", "pick up the red cup", "--frame", picture, "--seed", "7", "--label", "trunk", "-n", "3", "--json")
    session = remote_cli(*words).json["session"]
    yield session["id"]
    for item in remote_cli("sessions", "--state", "open", "--json").json["items"]:
        remote_cli("close", item["id"])


def test_the_main_job_in_a_terminal(remote_cli: Cli, trunk: str, tmp_path: Path) -> None:
    """Fork, step, rewind, retry, look at the tree, compare, save a video."""
    fork = remote_cli("fork", trunk, "--at", "2", "--prompt", "push the cup to the left", "-n", "2", "--json").json
    assert fork["session"]["frame_index"] == 4
    assert fork["session"]["parent_session"] == trunk
    assert remote_cli("step", trunk, "-n", "1", "--json").json["job"]["result"]["frame_index"] == 4
    assert "at step 3" in remote_cli("rewind", trunk).out
    retry = remote_cli("step", trunk, "--prompt", "carefully pick up the red cup", "--json").json
    assert retry["session"]["prompt"] == "carefully pick up the red cup"
    remote_cli("checkpoint", trunk, "--label", "here it goes well")

    drawn = remote_cli("tree", trunk).out
    assert "carefully pick up the red cup" in drawn
    assert "push the cup to the left" in drawn
    assert "here it goes well" in drawn
    assert drawn.count("◀ head") == 2
    assert len(remote_cli("tree", trunk, "--json").json["nodes"]) == 8
    assert len(remote_cli("tree", trunk, "--full").out.splitlines()) > 8

    compared = remote_cli("compare", trunk, fork["session"]["id"], "--json").json
    assert compared["common_frame_index"] == 2
    assert "common ancestor" in remote_cli("compare", trunk, fork["session"]["id"]).out

    target = tmp_path / "branch.mp4"
    assert remote_cli("video", trunk, "-o", str(target), "--json").json["bytes"] == target.stat().st_size
    assert target.read_bytes()[4:8] == b"ftyp"


def test_a_fork_is_given_actions_from_a_file(remote_cli: Cli, trunk: str, tmp_path: Path) -> None:
    """One step per entry; null lets the policy predict."""
    plan = tmp_path / "actions.json"
    plan.write_text(json.dumps([[[1.0, 0.0, 0.0, -1.0]] * 8, None]))
    steered = remote_cli("fork", trunk, "--at", "2", "--actions", str(plan), "--json").json
    assert [step["action_source"] for step in steered["job"]["result"]["steps"]] == ["given", "predicted"]


def test_settings_of_the_model_in_a_terminal(remote_cli: Cli, trunk: str) -> None:
    """Of a fork, of a step on, and back."""
    fork = remote_cli("fork", trunk, "--setting", "steps=4", "-n", "1", "--json").json["session"]
    assert fork["model_settings"] == {"steps": 4}
    step = remote_cli("step", fork["id"], "--setting", "guidance=2", "--setting", "steps=3", "--json").json["session"]
    assert step["model_settings"] == {"guidance": 2, "steps": 3}
    assert "name=value" in remote_cli("step", trunk, "--setting", "steps", code=1).err
    assert "2 values" in remote_cli("step", trunk, "--setting", "steps=2,3", code=1).err


def test_pin_and_unpin_in_a_terminal(remote_cli: Cli, trunk: str) -> None:
    """By session (its head) or checkpoint; the tree marks it."""
    pinned = remote_cli("pin", trunk, "--json").json["items"][0]
    assert pinned["pinned"] is True
    assert "pinned" in remote_cli("tree", trunk).out
    assert "not pinned" in remote_cli("unpin", pinned["id"]).out
    assert "pinned" not in remote_cli("tree", trunk).out


def test_sessions_are_found_by_id_label_and_last(remote_cli: Cli, trunk: str) -> None:
    """A session has three names."""
    for name in (trunk, "trunk", "last"):
        assert remote_cli("show", name if name != "trunk" else trunk, "--json").json["id"] == trunk
        assert remote_cli("step", name, "--json").json["session"]["id"] == trunk
    assert trunk in remote_cli("sessions").out
    assert "nonesuch" in remote_cli("step", "nonesuch", code=1).err


def test_show_tells_all_about_a_checkpoint_and_a_job(remote_cli: Cli, trunk: str) -> None:
    """Ids of every kind can be looked up."""
    outcome = remote_cli("step", trunk, "--json").json
    assert remote_cli("show", outcome["session"]["head"], "--json").json["id"] == outcome["session"]["head"]
    assert remote_cli("show", outcome["job"]["id"], "--json").json["state"] == "succeeded"
    assert "frame_index" in remote_cli("show", trunk).out
    assert "is no id" in remote_cli("show", "nonesuch", code=1).err


def test_no_wait_returns_at_once(remote_cli: Cli, trunk: str) -> None:
    """A job can be left to run."""
    job = remote_cli("step", trunk, "-n", "20", "--no-wait", "--json").json["job"]
    assert job["state"] in ("queued", "running")


def test_the_server_s_refusals_reach_the_terminal(remote_cli: Cli, trunk: str, tmp_path: Path) -> None:
    """What happened and what to do, exit code 1, in both forms; nothing half-done stays."""
    error = remote_cli("rewind", trunk, "-n", "99", "--json", code=1).json["error"]
    assert error["type"] == "RewindBeyondRoot"
    assert "no step 99" in remote_cli("fork", trunk, "--at", "99", code=1).err
    (tmp_path / "text.png").write_text("no image")
    assert (
        remote_cli("new", "x", "--frame", str(tmp_path / "text.png"), "--json", code=1).json["error"]["type"]
        == "InvalidImage"
    )
    assert "no image file" in remote_cli("new", "x", "--frame", "nowhere.png", code=1).err
    assert "no JSON file" in remote_cli("step", trunk, "--actions", "nowhere.json", code=1).err
    assert not list(tmp_path.glob("*.part"))


def test_an_evaluation_is_ended_and_goes_on(remote_cli: Cli, trunk: str) -> None:
    """It is left to run, found by its tag, cancelled; what is missing is made when it is resumed; watching it shows the
    same."""
    words = ("eval", "run", "--from", trunk, "--seeds", "0-23", "--label", "long", "-n", "1", "--tag", "ci", "--detach")
    id_ = remote_cli(*words).out.strip()
    assert [one["id"] for one in remote_cli("eval", "list", "--tag", "ci", "--json").json["evaluations"]] == [id_]
    assert remote_cli("eval", "list", "--tag", "other", "--json").json["evaluations"] == []
    cancelled = remote_cli("eval", "cancel", "long", "--json").json
    assert (cancelled["state"], cancelled["done"] < 24) == ("cancelled", True)
    assert id_ in remote_cli("eval", "list", "--state", "cancelled").out
    resumed = remote_cli("eval", "resume", "long", "--json").json
    watched = remote_cli("eval", "watch", "long", "--json").json
    for facts in (resumed, watched):
        assert (facts["evaluation"]["state"], facts["evaluation"]["done"], facts["summary"]["all"]["n"]) == (
            "finished", 24, 24
        )  # fmt: skip


def test_an_evaluation_from_plan_to_report(remote_cli: Cli, trunk: str, tmp_path: Path) -> None:
    """A plan in a file, flags over it; results in the tree and in files, a comparison that can fail a build."""
    plan = tmp_path / "sweep.toml"
    plan.write_text('label = "verbs"\nsteps = 2\n[[scorers]]\nname = "motion"\noptions = {least = 0.0}\n')
    run = ("eval", "run", str(plan), "--from", trunk)
    assert remote_cli(*run, "--seeds", "0-9", "--dry-run", "--json").json["variants"] == 10
    facts = remote_cli(*run, "--seeds", "1,2", "--json").json
    assert (facts["evaluation"]["state"], facts["evaluation"]["done"]) == ("finished", 2)
    assert facts["summary"]["all"]["rate"] == 1.0
    assert len(remote_cli("sessions", "--state", "open", "--json").json["items"]) == 1, "no session slot is taken"
    for name in ("report.html", "rows.jsonl", "rows.csv", "rows.parquet"):
        assert remote_cli("eval", "report", "verbs", "-o", str(tmp_path / name), "--json").json["bytes"] > 100
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    nodes = {node["id"]: node for node in remote_cli("tree", trunk, "--json").json["nodes"]}
    assert all(nodes[row["head"]]["score"] == pytest.approx(row["score"]) for row in rows)
    assert "image/webp" in (tmp_path / "report.html").read_text()

    worse = tmp_path / "worse.toml"
    worse.write_text('label = "worse"\nsteps = 1\n[[scorers]]\nname = "motion"\noptions = {least = 1e6}\n')
    remote_cli("eval", "run", str(worse), "--from", trunk, "--seeds", "1-7")
    remote_cli("eval", "run", str(plan), "--from", trunk, "--seeds", "1-7", "--label", "again")
    assert "100%" in remote_cli("eval", "compare", "worse", "again", "--fail-if-worse").out
    assert remote_cli("eval", "compare", "again", "worse", "--fail-if-worse", "--json", code=1).json["p"] < 0.05
    assert "worse" in remote_cli("eval", "list").out
    remote_cli("eval", "delete", "worse")
    assert "No evaluation is called" in remote_cli("eval", "show", "worse", code=1).err
    settings = ("--setting", "steps=2,4", "--setting", "guidance=3")
    assert remote_cli(*run, *settings, "--dry-run", "--json").json["plan"]["model_settings"] == {
        "steps": [2, 4], "guidance": [3]
    }  # fmt: skip
    assert "no setting 'colour'" in remote_cli(*run, "--setting", "colour=2", code=1).err
    for seeds, said in (("one", "expected 1,2,3 or 0-7"), ("5-2", "holds none")):
        assert said in remote_cli(*run, "--seeds", seeds, code=1).err


def test_storage_commands_on_the_running_system(
    remote_cli: Cli, trunk: str, stack: RunningStack, tmp_path: Path
) -> None:
    """Check, export, import and collect while the system runs; a damaged bundle is refused."""
    here = ("--set", f"data_dir={stack.data_dir}")
    remote_cli("checkpoint", trunk)
    assert remote_cli(*here, "fsck", "--read-data", "--json").json["ok"] is True
    assert "all good" in remote_cli(*here, "fsck").out
    assert remote_cli(*here, "gc", "--dry-run", "--json").json["deleted"] == 0
    assert "freed" in remote_cli(*here, "gc").out

    bundle = tmp_path / "trunk.zip"
    exported = remote_cli(*here, "export", trunk, "-o", str(bundle), "--json").json
    assert len(exported["checkpoints"]) == 4
    assert remote_cli(*here, "import", str(bundle), "--json").json["checkpoints"] == exported["checkpoints"]
    bundle.write_bytes(bundle.read_bytes()[:-100])
    assert "not a complete bundle" in remote_cli(*here, "import", str(bundle), code=1).err


def test_doctor_looks_at_what_runs(cli: Cli, stack: RunningStack) -> None:
    """On the data directory of a running system it checks that system's servers and says where it is."""
    findings = {f["name"]: f for f in cli("--set", f"data_dir={stack.data_dir}", "doctor", "--json").json["findings"]}
    assert stack.url in findings["ports"]["message"]
    assert "takes and gives objects" in findings["object store"]["message"]
    assert findings["redis"]["message"].startswith("valkey")
    assert findings["clock"]["message"].startswith("within")


def test_usage_in_a_terminal(remote_cli: Cli, trunk: str) -> None:
    """What a token's holder has; without tokens everything is local's."""
    (mine,) = remote_cli("usage", "--json").json["items"]
    assert (mine["name"], mine["sessions_allowed"], mine["bytes_allowed"]) == ("local", None, None)
    assert mine["bytes_stored"] > 0
    assert "local" in remote_cli("usage").out


def test_a_tree_is_listed_and_deleted(remote_cli: Cli, trunk: str) -> None:
    """One in use is refused; `--close --yes` deletes it, and its session is unknown then."""
    tree_id = remote_cli("show", trunk, "--json").json["tree_id"]
    (tree,) = (item for item in remote_cli("trees", "red", "--json").json["items"] if item["id"] == tree_id)
    assert (tree["nodes"], tree["labels"]) == (4, ["trunk"])
    assert "in use" in remote_cli("delete", trunk, "--yes", code=1).err
    answer = remote_cli("delete", trunk, "--close", "--yes", "--json").json
    assert answer["erased"] and answer["tree"]["id"] == tree_id
    remote_cli("show", trunk, code=1)
