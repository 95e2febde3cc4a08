"""Commands that need no running system: settings, doctor, usage errors, and the documentation of all of them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import typer.main

from arc_fabric.cli.app import MODULES, app
from arc_fabric.cli.local import bench as bench_module
from arc_fabric.services import checkup
from arc_fabric.settings import load_settings, setting_names
from tests.cli.conftest import Cli

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def test_settings_shows_values_and_sources(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting with its source; flags win over the environment; secrets are hidden."""
    monkeypatch.setenv("ARC_FABRIC_PORT", "2000")
    monkeypatch.setenv("ARC_FABRIC_S3_SECRET_KEY", "a-secret-of-s3")
    rows = {row["name"]: row for row in cli("--set", "max-viewers=9", "settings", "--json").json}
    assert sorted(rows) == sorted(setting_names())
    assert (rows["port"]["value"], rows["port"]["source"]) == ("2000", "environment")
    assert (rows["max_viewers"]["value"], rows["max_viewers"]["source"]) == ("9", "flag")
    assert rows["s3_secret_key"]["value"] == "(set)"
    assert "max_open_sessions" in cli("settings").out


def test_an_unknown_setting_is_refused_with_the_nearest_name(cli: Cli) -> None:
    """Exit code 1; for people on stderr, for scripts as an object on stdout."""
    assert "Did you mean 'port'?" in cli("--set", "prot=1", "settings", code=1).err
    error = cli("--set", "prot=1", "settings", "--json", code=1).json["error"]
    assert (error["type"], error["context"]["nearest"]) == ("UnknownSetting", "port")


@pytest.mark.parametrize("words", [["nonesuch"], ["step"], ["step", "last", "--nonesuch"], ["step", "last", "-n", "x"]])
def test_wrong_usage_ends_with_2_and_no_traceback(cli: Cli, words: list[str]) -> None:
    """Unknown commands and options, missing and malformed arguments."""
    assert "Traceback" not in cli(*words, code=2).err


def test_a_setting_without_a_value_is_refused(cli: Cli) -> None:
    """--set wants NAME=VALUE."""
    assert "NAME=VALUE" in cli("--set", "port", "settings", code=1).err


def test_a_server_that_is_not_there_is_a_clear_error(cli: Cli) -> None:
    """Commands that need the web app say how to start one, at once."""
    cli.url = "http://127.0.0.1:1"
    outcome = cli("sessions", code=1)
    assert "No Arc Fabric answers at http://127.0.0.1:1" in outcome.err
    assert "arc-fabric up" in outcome.err


def test_doctor_on_a_bare_machine(cli: Cli) -> None:
    """Every check reports, and this machine can run the embedded system."""
    facts = cli("doctor", "--json").json
    assert facts["healthy"] is True
    names = [finding["name"] for finding in facts["findings"]]
    servers = ["redis", "object store", "ports", "proxy", "disk", "clock"]
    assert names == ["python", "torch", "devices", "allocator", *servers, "weights"]
    assert "weights" in cli("doctor").out


@pytest.mark.parametrize(
    ("check", "choice"),
    [
        (checkup.redis_server, {"redis_url": "redis://127.0.0.1:1/0"}),
        (checkup.object_store, {"s3_endpoint": "127.0.0.1:1", "s3_access_key": "a", "s3_secret_key": "b"}),
        (checkup.gpus, {"devices": "tpu"}),
        (checkup.gpus, {"devices": "cuda:7"}),
        (checkup.weights, {"model": "dreamzero:/no/such/folder"}),
        (checkup.memory, {"worker_allocator": "/no/such/libmalloc.so"}),
        (checkup.weights, {"model": "nonesuch"}),
    ],
)
def test_doctor_says_how_to_mend(check: object, choice: dict[str, str]) -> None:
    """A broken part is found and comes with an advice."""
    finding = check(load_settings(**choice))  # type: ignore[operator]
    assert finding.state == "broken"
    assert finding.mend


def test_bench_knows_its_benchmarks(cli: Cli) -> None:
    """An unknown name is refused with those that exist; helpers of benchmarks are not among them."""
    refused = cli("bench", "nonesuch", code=1).err
    assert "No benchmark is called 'nonesuch'" in refused
    assert "There are: buffers, calibration, forks, gpu, growth, jobs, page, slow_clients, snapshot, stream." in refused


def test_bench_gathers_the_results_as_json(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One object for all of them; a missed bar is exit code 1, a benchmark without a result an error."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "__init__.py").touch()  # else the benchmarks of the source tree would hide it
    script = "import sys\nif __name__ == '__main__':\n    assert '--json' in sys.argv\n"
    (folder / "good.py").write_text(script + "    print('{\"ok\": true}')\n")
    (folder / "missed.py").write_text(script + "    print('{\"ok\": false}')\n    sys.exit(1)\n")
    (folder / "broken.py").write_text(script + "    sys.exit(4)\n")
    monkeypatch.setattr(bench_module, "FOLDER", folder)
    assert cli("bench", "good", "--json").json == {"benchmarks": [{"ok": True}]}
    assert cli("bench", "good", "missed", "--json", code=1).json["benchmarks"][1] == {"ok": False}
    assert cli("bench", "broken", "--json", code=1).json["error"]["type"] == "ServiceError"


def test_every_command_and_option_is_documented() -> None:
    """docs/reference/cli.md names every command with all its options, and nothing else."""
    for module in MODULES:
        importlib.import_module(f"arc_fabric.cli.{module}")
    sections = dict(
        re.findall(r"^### `arc-fabric ([a-z]+)[^`]*`\n(.*?)(?=^##|\Z)", (DOCS / "cli.md").read_text(), re.M | re.S)
    )
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert sorted(sections) == sorted(commands)
    assert sorted(commands) == sorted(name for names in MODULES.values() for name in names)
    for name, command in commands.items():
        for option in (flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")):
            assert option in ("--json", "--help") or f"`{option}" in sections[name], (
                f"{name} {option} is not in docs/reference/cli.md"
            )
