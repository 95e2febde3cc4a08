"""gc and fsck on a data directory where nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_fabric.services.reach import reachable_store
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import load_settings
from arc_fabric.store.backends import backend_from_settings
from tests.cli.conftest import Cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a damaged checkpoint and a file that nothing refers to."""
    folder = tmp_path / "data"
    WeedServer(folder, bucket="arc-fabric")
    with reachable_store(load_settings(data_dir=folder)) as settings:
        backend = backend_from_settings(settings)
        backend.put("checkpoints/ckp_0000000000000000000000000a/manifest.json", b"{ damaged")
        backend.put("checkpoints/ckp_0000000000000000000000000b/tensors.safetensors", b"orphan")
    return folder


def test_fsck_finds_damage_and_gc_then_deletes_nothing(cli: Cli, data: Path) -> None:
    """A manifest that cannot be read is reported with exit code 1, and keeps the collector from deleting."""
    here = ("--set", f"data_dir={data}")
    facts = cli(*here, "fsck", "--json", code=1).json
    assert [problem["kind"] for problem in facts["problems"]] == ["manifest"]
    report = cli(*here, "gc", "--grace", "0", "--json").json
    assert report["unreadable"] == ["ckp_0000000000000000000000000a"]
    assert report["deleted"] == 0


def test_a_data_directory_without_a_store_is_a_clear_error(cli: Cli, tmp_path: Path) -> None:
    """Nothing is made by looking."""
    assert "no object store" in cli("--set", f"data_dir={tmp_path / 'none'}", "gc", code=1).err
    assert not (tmp_path / "none").exists()
