"""gc and fsck: once on a data directory where nothing runs, else on servers that run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger
from arc_fabric.manager import StateManager
from arc_fabric.services.find_servers import reachable_store
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import Backend, backend_from_settings
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, is_rebuildable, key_of
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.upkeep import orphans
from tests.cli.conftest import Cli
from tests.sdk.worlds import new_session, run
from tests.workers.faulty import make_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a damaged checkpoint and a file that nothing refers to."""
    folder = tmp_path / "data"
    WeedServer(folder, bucket="arc-fabric")
    with reachable_store(load_settings(data_dir=folder), ledger=True) as settings:
        backend = backend_from_settings(settings)
        backend.put("checkpoints/ckp_0000000000000000000000000a/manifest.json", b"{ damaged")
        backend.put("checkpoints/ckp_0000000000000000000000000b/tensors.safetensors", b"orphan")
    return folder


@pytest.fixture
def running(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An object store and a Redis that the environment names, so that no command starts its own."""
    for name, value in settings.to_env().items():
        monkeypatch.setenv(name, value)
    return settings


def test_fsck_finds_damage_and_gc_then_deletes_nothing(cli: Cli, data: Path) -> None:
    """A manifest that cannot be read is reported with exit code 1, and keeps the collector from deleting. Each command
    starts the servers of the directory for itself."""
    here = ("--set", f"data_dir={data}")
    facts = cli(*here, "fsck", "--json", code=1).json
    assert [problem["kind"] for problem in facts["problems"]] == ["manifest"]
    report = cli(*here, "gc", "--grace", "0", "--json").json
    assert report["unreadable"] == ["ckp_0000000000000000000000000a"]
    assert report["deleted"] == 0


def test_gc_by_hand_finds_what_the_janitor_finds(cli: Cli, running: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that no node names: a dry run tells of it, a run deletes it."""
    monkeypatch.setattr(orphans, "UNCOMMITTED_S", 0.0)
    orphan = new_id("ckp")
    backend, ledger = backend_from_settings(running), Ledger(running.redis_url)
    ledger.inputs.knows_since(storage_time(backend) - 2)
    ledger.close()
    store = SnapshotStore(backend)
    store.put(orphan, [TensorEntry("latent_video", torch.ones(1, 2, 3), axis=None, unit=1)], {})
    store.close()
    stored = backend.stat(key_of(orphan, MANIFEST)).modified
    while storage_time(backend) <= stored:
        pass
    here = ("gc", "--grace", "0")
    told = cli(*here, "--dry-run", "--json").json
    assert told["orphans"] == 1 and told["orphan_bytes"] > 0
    assert "1 checkpoints that no node names" in cli(*here, "--dry-run").out
    assert cli(*here, "--json").json["orphans"] == 1
    marked = storage_time(backend)
    while storage_time(backend) <= marked:  # the storage's clock has seconds: a mark is due in the next
        pass
    passes = [cli(*here, "--json").json for _ in range(3)]
    assert not any(one["orphans"] for one in passes)
    assert sum(one["deleted"] for one in passes) > 0, passes


def test_a_data_directory_without_a_store_is_a_clear_error(cli: Cli, tmp_path: Path) -> None:
    """Nothing is made by looking."""
    assert "no object store" in cli("--set", f"data_dir={tmp_path / 'none'}", "gc", code=1).err
    assert not (tmp_path / "none").exists()


TOY = "python:tests.workers.faulty:make_model"


@pytest.fixture
def head(running: Settings) -> str:
    """A lineage of the toy model in which one bit of this head's stored KV was flipped."""
    backend, model = backend_from_settings(running), make_model("cpu")
    store = SnapshotStore(backend)
    head = run(new_session(StateManager(model, store=store)), 2)[-1].checkpoint_id
    store.flush(30)
    store.close()
    _flip(backend, head, kv=True)
    return head


def _flip(backend: Backend, checkpoint_id: str, *, kv: bool) -> None:
    own = load_manifest(backend, checkpoint_id).own_parts()
    piece = next(piece for _, piece in own if is_rebuildable(piece.key) == kv)
    data = bytearray(backend.get(key_of(checkpoint_id, TENSORS)))
    data[piece.offset] ^= 1
    backend.put(key_of(checkpoint_id, TENSORS), data)


def test_fsck_repairs_kv_when_asked_to(cli: Cli, head: str) -> None:
    """Without --repair nothing is changed; with it the model rebuilds the KV, and the store checks out."""
    here = ("--set", f"model={TOY}")
    for _ in range(2):
        facts = cli(*here, "fsck", "--read-data", "--json", code=1).json
        assert [(p["kind"], p["rebuildable"], p["checkpoints"]) for p in facts["problems"]] == [("data", True, [head])]
        assert "repaired" not in facts
    facts = cli(*here, "fsck", "--repair", "--json").json
    assert (len(facts["repaired"]), facts["problems"], facts["why"], facts["ok"]) == (1, [], {}, True)
    assert "all good" in cli(*here, "fsck", "--read-data").out


def test_fsck_says_what_it_could_not_repair(cli: Cli, running: Settings, head: str) -> None:
    """A model that cannot be loaded, and damage that no model can mend (for which none is loaded)."""
    here = ("--set", "model=python:tests.no_such:model")
    facts = cli(*here, "fsck", "--repair", "--json", code=1).json
    assert (facts["repaired"], len(facts["problems"]), list(facts["why"])) == ([], 1, [head])
    assert "cannot be loaded" in facts["why"][head]
    assert f"not rebuilt from {head}" in cli(*here, "fsck", "--repair", code=1).out
    backend = backend_from_settings(running)
    _flip(backend, head, kv=True)  # back again
    _flip(backend, head, kv=False)
    facts = cli(*here, "fsck", "--repair", "--json", code=1).json
    assert (facts["repaired"], len(facts["problems"]), facts["why"]) == ([], 1, {})
