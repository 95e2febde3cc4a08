"""Two systems with a Redis each on one bucket: neither takes what the other has stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arc_fabric.base.input_keys import new_key
from arc_fabric.ids import new_id
from arc_fabric.ledger import Ledger
from arc_fabric.resting import leftover
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend, signs
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.upkeep import unnamed_inputs
from arc_fabric.upkeep import orphans
from arc_fabric.upkeep.collect import collect
from tests.ledger.conftest import Hand
from tests.upkeep.test_collect import backend, begun_before, durability, stored

__all__ = ["backend"]


@pytest.fixture
def ledgers(settings: Settings, tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """Ours and the neighbour's."""
    server = ValkeyServer(tmp_path / "neighbour")
    server.start()
    both = Ledger(settings.redis_url), Ledger(server.url)
    yield both
    for ledger in both:
        ledger.close()
    server.stop()


@pytest.fixture(autouse=True)
def everything_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step, request or rest is under way."""
    monkeypatch.setattr(orphans, "UNCOMMITTED_S", -3600.0)
    monkeypatch.setattr(unnamed_inputs, "REQUEST_S", -3600.0)
    monkeypatch.setattr(leftover, "LEAST_S", -3600.0)


def test_what_a_neighbour_stores_stays(ledgers: tuple[Ledger, Ledger], settings: Settings, backend: Backend) -> None:
    """Its checkpoints, pictures and resting trees, for as long as it signs; and we say that it is there."""
    ours, theirs = ledgers
    begun_before(ours, backend)
    Hand.up(ours, "gpu.0").opened()
    signs.sign(backend, theirs.inputs.ledger_id())
    head = Hand.up(theirs, "gpu.0").opened().head
    picture, tree = new_key(b"png"), f"trees/{head}/token/index.json"
    stored(backend, head)
    for key in (picture, tree):
        backend.put(key, b"theirs")
    for _ in range(3):
        report = collect(ours, backend, settings.replaced(gc_grace_s=0.0)).to_dict()
    assert durability(backend, head) == ["durable"]
    assert backend.exists(picture) and backend.exists(tree)
    assert list(report["others"]) == [theirs.inputs.ledger_id()]


def test_what_came_after_a_neighbours_last_sign_is_ours(
    ledgers: tuple[Ledger, Ledger], settings: Settings, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is gone for good stops nothing: only what it may have stored stays."""
    monkeypatch.setattr(signs, "VALID_S", 0.0)
    ours, theirs = ledgers
    begun_before(ours, backend)
    Hand.up(ours, "gpu.0").opened()
    head = Hand.up(theirs, "gpu.0").opened().head
    stored(backend, head)
    signs.sign(backend, theirs.inputs.ledger_id())
    signed = storage_time(backend)
    while storage_time(backend) <= signed:
        pass
    orphan = new_id("ckp")
    stored(backend, orphan)
    since = storage_time(backend)
    while storage_time(backend) <= since:  # it is older than the grace of nothing
        pass
    collect(ours, backend, settings.replaced(gc_grace_s=0.0))
    assert durability(backend, head, orphan) == ["durable", "absent"]
