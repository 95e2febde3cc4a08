"""Export on one installation, import on another with its own Redis and its own object store, and go on there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arc_fabric.ledger.core import keys
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.upkeep.bundle import export_bundle
from tests.support.waiting import eventually
from tests.support.web_server import WebServer
from tests.upkeep.conftest import Terminal
from tests.workers.conftest import TOY, Fleet


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Fleet]:
    """The other installation: empty servers of its own."""
    redis, s3 = ValkeyServer(tmp_path / "other"), WeedServer(tmp_path / "other", bucket="elsewhere")
    redis.start()
    s3.start()
    try:
        made = Fleet(
            load_settings(
                data_dir=tmp_path / "other", redis_url=redis.url, s3_bucket="elsewhere", devices="cpu,cpu", model=TOY,
                flower=False, lease_ttl_s=1.5, **s3.credentials.settings(s3.endpoint),
            )
        )  # fmt: skip
        yield made
        made.close()
    finally:
        redis.stop()
        s3.stop()


@contextmanager
def _web(settings: Settings) -> Iterator[WebServer]:
    server = WebServer(settings, worker=False).start()
    try:
        yield server
    finally:
        server.stop()


def test_a_tree_moves_to_another_installation_and_goes_on_there(
    fleet: Fleet, other: Fleet, terminal: Terminal, tmp_path: Path
) -> None:
    """The imported tree can be seen, forked and continued, with the bits it would have had at home."""
    fleet.start("gpu.0")
    trunk = fleet.create()
    fleet.step(trunk, steps=5)
    path = fleet.ledger.nodes.path(fleet.ledger.sessions.get(trunk.id).head)[::-1]
    branch, job = fleet.fork(path[3], prompt="push the cup", seed=42, steps=2)
    fleet.done(job)
    eventually(lambda: not fleet.ledger.nodes.pending())
    file = tmp_path / "world.zip"
    with _web(fleet.settings) as web:
        facts = terminal(fleet.settings, "--url", web.url, "export", branch.id, "-o", str(file))
        whole = terminal(
            fleet.settings, "--url", web.url, "export", trunk.id, "--tree", "-o", str(tmp_path / "tree.zip")
        )
    line = [*path[:4], *(step["checkpoint_id"] for step in fleet.ledger.jobs.get(job.id).result["steps"])]
    assert facts["checkpoints"] == line and len(whole["checkpoints"]) == 8
    expected = fleet.latents(path[4]), fleet.latents(fleet.step(branch).result["head"])

    took = terminal(other.settings, "import", str(file))
    assert took["nodes"] == line and sorted(took["sessions"]) == sorted([trunk.id, branch.id])
    assert terminal(other.settings, "import", str(file))["nodes"] == []
    with _web(other.settings) as web:
        assert {s["id"]: s["state"] for s in web.ok("GET", "/api/sessions")["items"]} == dict.fromkeys(
            took["sessions"], "closed"
        )
        tree = web.ok("GET", f"/api/sessions/{branch.id}/tree")
        assert [node["id"] for node in tree["nodes"]] == line
        assert {node["durability"] for node in tree["nodes"]} == {"durable"}
        assert web.http.get(f"/api/sessions/{branch.id}/frames/40").headers["content-type"] == "image/png"
        assert web.ok("GET", f"/api/checkpoints/{line[-1]}")["lineage"]
    other.start("gpu.0")
    fork, job = other.fork(path[3], steps=1)  # the trunk's own prompt and seed: its next step
    assert other.latents(other.done(job).result["head"]) == expected[0]
    assert (fork.prompt, fork.seed) == (trunk.prompt, trunk.seed)
    again = other.ledger.sessions.reopen(branch.id)
    assert again.head == line[-1]
    assert other.latents(other.step(again).result["head"]) == expected[1]

    took = terminal(other.settings, "import", str(tmp_path / "tree.zip"))
    assert took["nodes"] == [path[4], path[5]] and took["sessions"] == []
    assert other.ledger.sessions.get(trunk.id).head == path[3], "what was here stays as it is"


def test_a_bundle_whose_nodes_do_not_hold_together_stores_nothing(
    other: Fleet, terminal: Terminal, tmp_path: Path
) -> None:
    """The ledger is asked before anything is stored."""
    file = tmp_path / "odd.zip"
    before = [info.key for info in other.store.list("")]
    export_bundle(MemoryBackend(), [], file, extra={"nodes": [{"id": "ckp_" + "0" * 26}]})
    assert "without their payload" in terminal(other.settings, "import", str(file), code=1)["error"]["message"]
    export_bundle(MemoryBackend(), [], file, extra={"nodes": ["x"]})
    assert terminal(other.settings, "import", str(file), code=1)["error"]["type"] == "InvalidRequest"
    for data in (b"", b"PK\5\6" + bytes(18), b"[" * 100_000, file.read_bytes()[:-30]):
        file.write_bytes(data)
        error = terminal(other.settings, "import", str(file), code=1)["error"]
        assert error["type"] == "DamagedSnapshot" and error["what_to_do"]
    assert [info.key for info in other.store.list("")] == before and not other.ledger.redis.keys(keys.node("*"))
