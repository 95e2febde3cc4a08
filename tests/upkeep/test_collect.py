"""The pass that the janitor and `arc-fabric gc` make, on a real store and ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from arc_fabric.base.input_keys import new_key
from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.settings import Settings
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import Backend, backend_from_settings
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.upkeep import unnamed_inputs
from arc_fabric.store.upkeep.scan import scan
from arc_fabric.upkeep import orphans
from arc_fabric.upkeep.collect import collect
from arc_fabric.upkeep.orphans import Orphans
from tests.ledger.conftest import Hand


@pytest.fixture
def backend(settings: Settings) -> Backend:
    """An empty bucket."""
    return backend_from_settings(settings)


def stored(backend: Backend, *ids: str) -> None:
    """Checkpoints with these ids."""
    store = SnapshotStore(backend)
    for checkpoint_id in ids:
        entry = TensorEntry("latent_video", torch.ones(1, 2, 3), axis=None, unit=1)
        store.put(checkpoint_id, [entry], {}, attachments={"frames.png": b"png"})
    store.close()


def durability(backend: Backend, *ids: str) -> list[str]:
    """As a fresh process sees it."""
    store = SnapshotStore(backend)
    try:
        return [store.durability(checkpoint_id) for checkpoint_id in ids]
    finally:
        store.close()


def begun_before(ledger: Ledger, backend: Backend) -> None:
    """The ledger has been asked earlier than anything here was stored (storage dates objects in whole seconds)."""
    ledger.inputs.knows_since(storage_time(backend) - 2)


def delete_old(ledger: Ledger, backend: Backend, grace_s: float) -> int:
    """Find orphans and delete them; how many."""
    orphans = looked_at(ledger, backend, grace_s)
    orphans.delete()
    return len(orphans.find())


def looked_at(ledger: Ledger, backend: Backend, grace_s: float) -> Orphans:
    """Orphans after a look at everything."""
    orphans = Orphans(ledger, backend, grace_s)
    for each in scan(backend):
        orphans.look(each)
    return orphans


@pytest.fixture
def young_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is under way: what was stored just now may be an orphan, too."""
    monkeypatch.setattr(orphans, "UNCOMMITTED_S", -3600.0)


@pytest.mark.usefixtures("young_too")
def test_only_old_payloads_without_a_node_are_orphans(settings: Settings, backend: Backend) -> None:
    """A committed checkpoint stays, an uncommitted one goes once it is old enough."""
    ledger = Ledger(settings.redis_url)
    begun_before(ledger, backend)
    committed, orphan = Hand.up(ledger, "gpu.0").opened().head, new_id("ckp")
    stored(backend, committed, orphan)
    assert sum(looked_at(ledger, backend, grace_s=-5).find().values()) > 0
    assert durability(backend, orphan) == ["durable"], "looking changes nothing"
    assert delete_old(ledger, backend, grace_s=3600) == 0
    assert delete_old(ledger, backend, grace_s=-5) == 1
    assert durability(backend, committed, orphan) == ["durable", "absent"]
    assert not backend.exists(f"checkpoints/{orphan}/frames.png")
    assert delete_old(ledger, backend, grace_s=-5) == 0


def test_a_step_under_way_is_no_orphan(settings: Settings, backend: Backend) -> None:
    """However short the grace: its payload is stored before its node is committed."""
    ledger = Ledger(settings.redis_url)
    begun_before(ledger, backend)
    stored(backend, orphan := new_id("ckp"))
    assert not looked_at(ledger, backend, grace_s=0.0).find()
    assert durability(backend, orphan) == ["durable"]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[list[ValkeyServer]]:
    """A Redis of this test's own; another that takes its place may be added."""
    servers = [ValkeyServer(tmp_path / "first")]
    servers[0].start()
    yield servers
    servers[-1].stop()


@pytest.mark.usefixtures("young_too")
@pytest.mark.parametrize("used_again", [False, True])
def test_a_redis_that_lost_its_data_makes_no_orphans(
    used_again: bool,
    redis: list[ValkeyServer],
    settings: Settings,
    backend: Backend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes up empty, also with new sessions in it: neither checkpoints nor pictures go, however old; orphans and
    unnamed pictures of its own time still do."""
    monkeypatch.setattr(unnamed_inputs, "REQUEST_S", 0.0)
    picture = new_key(b"png")
    backend.put(picture, b"png")
    ledger = Ledger(redis[0].url)
    begun_before(ledger, backend)
    session = Hand.up(ledger, "gpu.0").opened()
    stored(backend, session.head)
    ledger.close()
    redis[0].stop()
    redis.append(ValkeyServer(tmp_path / "second", port=redis[0].port))
    redis[1].start()
    ledger, now = Ledger(redis[1].url), settings.replaced(gc_grace_s=0.0)
    if used_again:
        Hand.up(ledger, "gpu.0").opened()
    assert delete_old(ledger, backend, grace_s=-3600) == 0
    for _ in range(3):
        collect(ledger, backend, now)
    assert durability(backend, session.head) == ["durable"]
    assert backend.exists(f"checkpoints/{session.head}/frames.png") and backend.exists(picture)
    since = ledger.inputs.knows_since(0.0)
    while storage_time(backend) <= since:
        pass
    orphan, unnamed = new_id("ckp"), new_key(b"other")
    stored(backend, orphan)
    backend.put(unnamed, b"other")
    assert delete_old(ledger, backend, grace_s=-5) == 1
    for _ in range(3):
        collect(ledger, backend, now)
    assert durability(backend, session.head, orphan) == ["durable", "absent"]
    assert backend.exists(picture) and backend.exists(unnamed) is not used_again
    ledger.close()


@pytest.mark.usefixtures("young_too")
def test_a_redis_that_is_emptied_meanwhile_makes_no_orphans(
    settings: Settings, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said before is not acted on."""
    ledger = Ledger(settings.redis_url)
    known = ledger.nodes.known
    monkeypatch.setattr(ledger.nodes, "known", lambda ids: [ledger.redis.flushdb(), known(ids)][1])
    begun_before(ledger, backend)
    head = Hand.up(ledger, "gpu.0").opened().head
    stored(backend, head)
    assert delete_old(ledger, backend, grace_s=-5) == 0
    assert durability(backend, head) == ["durable"]


@pytest.mark.usefixtures("young_too")
def test_what_would_be_freed_is_told_and_nothing_goes(settings: Settings, backend: Backend) -> None:
    """A dry run in short; whoever asked meanwhile has the answer too, and all is still there."""
    ledger = Ledger(settings.redis_url)
    stranger = new_id("ckp")
    begun_before(ledger, backend)
    stored(backend, stranger)
    assert (ledger.freeable.asked(), ledger.freeable.last()) == (None, None)
    ledger.freeable.ask()
    since = ledger.freeable.asked()
    ledger.freeable.ask()
    assert ledger.freeable.asked() == since is not None, "who asks while one waits waits with it"
    short = collect(ledger, backend, settings.model_copy(update={"gc_grace_s": -5.0}), dry_run=True).in_short()
    ledger.freeable.tell(short)
    found = ledger.freeable.last()
    assert found is not None
    assert ledger.freeable.asked() is None
    assert (found["orphans"], found["unreadable"], found["counted"] > 0) == (1, 0, True)
    assert found["orphan_bytes"] > 0
    assert durability(backend, stranger) == ["durable"]
    ledger.close()
