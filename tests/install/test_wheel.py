"""The built wheel, with each set of extras in an environment that has nothing else, does what it promises."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from arc_fabric import __version__
from arc_fabric.settings import Settings
from tests.install.conftest import PACKAGES, ROOT
from tests.install.environment import Environment
from tests.services.stack import RunningStack

Installed = Callable[..., Environment]
CLI = ("-m", "arc_fabric")
HEAVY = ("torch", "safetensors", "celery", "kombu", "flask", "redis", "minio", "obstore", "gymnasium", "pytest")
SERVER_COMMANDS = ["web", "flower", "bucket", "gc", "fsck", "export x", "import x", "worker --name media"]

STEP_BY_CLIENT = """
import sys
from arc_fabric.client import ArcFabric
with ArcFabric(sys.argv[1]) as fabric:
    session = fabric.new_session("pick up the red cup", seed=7)
    step, = session.step(1)
    print(step.frame_index, session.frames().shape, session.latents(1).dtype)
"""
STEP_BY_SDK = """
from arc_fabric import Session, StateManager
from arc_fabric.models.registry import load_model
import numpy as np
model = load_model("tabletop")
size = model.geometry.image_height, model.geometry.image_width, 3
session = Session("s", model, StateManager(model), "pick up the red cup", np.full(size, 128, np.uint8))
print(session.step().frame_index)
"""


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Scripts, weights, templates, the page and `py.typed`; and its version is the package's."""
    source = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts]
    expected = {path.relative_to(ROOT).as_posix() for path in source if path.is_file()}
    with ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert expected | {"celeryconfig.py"} <= names
    assert "arc_fabric/py.typed" in names
    assert wheel.name.startswith(f"arc_fabric-{__version__}-")


def test_alone_it_is_a_client_and_a_command_line(installed: Installed) -> None:
    """Without an extra: no torch, no Celery, no Flask; help, version, doctor and the client are there."""
    base = installed()
    assert base.run("-c", f"from importlib.util import find_spec; print([*filter(find_spec, {HEAVY})])") == "[]\n"
    assert "site-packages" in base.run("-c", "import arc_fabric.client; print(arc_fabric.__file__)")
    assert "rewind" in base.run(*CLI, "--help")
    assert base.run(*CLI, "--version") == f"arc-fabric {__version__}\n"
    assert "pip install 'arc-fabric[sdk]'" in base.run(*CLI, "doctor")
    findings = json.loads(base.run(*CLI, "doctor", "--json"))["findings"]
    mend = {finding["name"]: finding["mend"] for finding in findings if finding["state"] == "warning"}
    assert mend["torch"] == "pip install 'arc-fabric[sdk]'"
    assert mend["redis"] == mend["object store"] == "pip install 'arc-fabric[server]'"
    assert "No Arc Fabric answers" in base.run(*CLI, "--url", "http://127.0.0.1:1", "sessions", code=1)


@pytest.mark.parametrize("words", SERVER_COMMANDS)
def test_a_command_names_the_extra_that_it_needs(installed: Installed, words: str) -> None:
    """One clear error, no traceback."""
    base = installed()
    error = json.loads(base.run(*CLI, "--url", "http://127.0.0.1:1", *words.split(), "--json", code=1))["error"]
    assert (error["type"], error["what_to_do"]) == ("MissingExtra", "pip install 'arc-fabric[server]'")


def test_what_needs_another_extra_names_it(installed: Installed) -> None:
    """`up` and `demo` need everything; names of the SDK and the Gymnasium environment say their extra."""
    base = installed()
    for command in ("up", "demo"):
        assert "arc-fabric[local]" in base.run(*CLI, command, code=1)
    assert "arc-fabric[sdk]" in base.run("-c", _told("from arc_fabric import Session"))
    assert "arc-fabric[sdk]" in base.run("-c", _told("from arc_fabric.store import SnapshotStore"))
    assert "arc-fabric[gym]" in base.run("-c", _told("import arc_fabric.client.env"))
    assert "arc-fabric[server]" in base.run("-m", "arc_fabric.openpi", code=1)


def test_store_reads_checkpoints_without_torch(installed: Installed) -> None:
    """And nothing of the servers."""
    store = installed("store")
    store.run("-c", "import arc_fabric.store.read.reader, arc_fabric.store.upkeep.check, arc_fabric.media.video")
    store.run("-c", "import torch", code=1)


def test_gym_brings_the_environment(installed: Installed) -> None:
    """The client's Gymnasium environment can be imported."""
    installed("gym").run("-c", "from arc_fabric.client.env import WorldEnv")


def test_sdk_steps_a_world_in_one_process(installed: Installed) -> None:
    """A model, a state manager and a session, without any server."""
    assert installed("sdk").run("-c", STEP_BY_SDK).splitlines()[-1] == "1"
    installed("sdk").run("-c", "import redis", code=1)


@pytest.mark.parametrize("words", ["worker --name media", "web"])
def test_server_runs_without_torch_and_without_embedded_servers(
    installed: Installed, settings: Settings, words: str
) -> None:
    """On a Redis and an object store of one's own, as in the container: the line that says that it is ready."""
    server = installed("server")
    command = [server.python, *CLI, *words.split(), "--json"]
    env = server.env(**settings.to_env())
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=server.folder) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        child.terminate()
    assert ready["pid"] == child.pid


def test_a_worker_with_a_model_needs_sdk_beside_server(installed: Installed) -> None:
    """It says so before it starts anything."""
    refused = installed("server").run(*CLI, "worker", "--name", "gpu.0", "--device", "cpu", code=1)
    assert "pip install 'arc-fabric[sdk]'" in refused


def test_up_runs_and_a_client_elsewhere_steps(installed: Installed, tmp_path: Path) -> None:
    """`local` is all that `up` needs; a client that has only the base takes a step on it; both end in order."""
    local = installed("local")
    up = RunningStack(tmp_path, "--devices", "cpu", env=local.env(), python=local.python)
    try:
        up.start()
        assert installed().run("-c", STEP_BY_CLIENT, up.url) == "1 (9, 64, 64, 3) float32\n"
        assert "pick up the red cup" in installed().run(*CLI, "--url", up.url, "tree", "last")
    finally:
        status = up.stop()
    assert status == 0


def _told(statement: str) -> str:
    """A script that prints what to do where the statement raises our error."""
    return (
        "from arc_fabric.errors import MissingExtra\n"
        f"try:\n    {statement}\nexcept MissingExtra as error:\n    print(error.what_to_do)\n"
    )
