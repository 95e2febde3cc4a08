"""The collector frees what nobody needs, after its grace period, and never what somebody needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from arc_fabric.errors import CheckpointUnavailable, StoreError
from arc_fabric.store import SnapshotReader, SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.backends import marks as marks_module
from arc_fabric.store.backends.marks import mark, marks, marks_on
from arc_fabric.store.format.manifest import MANIFEST, Manifest, key_of
from arc_fabric.store.upkeep.collector import Collector
from arc_fabric.store.upkeep.scan import scan
from arc_fabric.store.write import upload
from tests.store.faulty import FaultyBackend
from tests.store.states import State, same_bits

Open = Callable[..., SnapshotStore]


def _tree(store: SnapshotStore) -> dict[str, State]:
    """A root `r`, its child `a`, and two children of that, `b` and `c`."""
    states = {"r": State.root()}
    store.put("r", states["r"].entries(), {})
    for name, parent, seed in (("a", "r", 1), ("b", "a", 2), ("c", "a", 3)):
        states[name] = states[parent].step(seed)
        pictures = {"frames.png": name.encode()}
        store.put(name, states[name].entries(), {}, parent_id=parent, attachments=pictures)
    store.flush(10)
    return states


def _keys(backend: Backend) -> set[str]:
    return {info.key for info in backend.list("checkpoints/")}


def test_a_payload_that_others_share_is_kept_until_they_go(backend: Backend, open_store: Open) -> None:
    """Deleting the trunk frees nothing while branches live; deleting the branches frees everything of theirs."""
    store = open_store(backend)
    states = _tree(store)
    collector = Collector(backend, grace_s=0)
    store.delete_payload("a")
    for _ in range(2):
        assert collector.run().freed_bytes == 0
    assert same_bits(open_store(backend).get("b")[0], states["b"].tensors)
    store.delete_payload("b")
    store.delete_payload("c")
    assert collector.run().deleted == 0, "the first pass only marks"
    report = collector.run()
    assert report.freed_bytes > 0
    assert _keys(backend) == {"checkpoints/r/manifest.json", "checkpoints/r/tensors.safetensors"}
    assert same_bits(open_store(backend).get("r")[0], states["r"].tensors)
    assert {mark.state for mark in marks(backend).values()} == {"deleted"}


def test_nothing_goes_before_the_grace_period_is_over(open_store: Open) -> None:
    """A marked payload stays through the grace period, however often the collector runs."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    store.delete_payload("b")
    before = _keys(backend)
    for _ in range(3):
        report = Collector(backend, grace_s=3600).run()
    assert _keys(backend) == before
    assert report.candidates and report.candidate_bytes and not report.deleted


def test_a_dry_run_changes_nothing_and_tells_what_would_go(open_store: Open) -> None:
    """The bytes a dry run names are the bytes the real run frees."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    store.delete_payload("b")
    assert not marks(backend)
    Collector(backend, grace_s=0).run(dry_run=True)
    assert not marks(backend)
    Collector(backend, grace_s=0).run()
    before = _keys(backend)
    told = Collector(backend, grace_s=0).run(dry_run=True)
    assert _keys(backend) == before
    assert Collector(backend, grace_s=0).run().freed_bytes == told.freed_bytes > 0


def test_an_orphan_is_left_alone_while_it_is_young(open_store: Open) -> None:
    """A file without a manifest may be an upload under way; it goes once it is older than the grace period."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    backend.put("checkpoints/crashed/tensors.safetensors", b"x" * 10)
    assert Collector(backend, grace_s=3600).run().candidates == 0
    for _ in range(2):
        report = Collector(backend, grace_s=0).run()
    assert report.freed_bytes == 10


def test_an_unreadable_manifest_stops_all_deletion(open_store: Open) -> None:
    """What a damaged manifest refers to is unknown, so nothing is deleted until it is dealt with."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    store.delete_payload("b")
    backend.put("checkpoints/c/manifest.json", b"garbage")
    for _ in range(3):
        report = Collector(backend, grace_s=0).run()
    assert report.unreadable == ["c"] and report.deleted == 0
    store.delete_payload("c")
    for _ in range(2):
        report = Collector(backend, grace_s=0).run()
    assert not report.unreadable and report.deleted


def test_a_child_of_a_collected_parent_stores_the_pieces_itself(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process deletes the parent, which is collected while its child is on its way: nothing dangles."""
    monkeypatch.setattr(upload, "LISTING_VALID_S", 0.01)
    backend = FaultyBackend()
    store, other = open_store(backend), open_store(backend.inner)
    root = State.root()
    store.put("p", root.clone().entries(), {})
    store.flush(10)
    other.delete_payload("p")
    Collector(backend.inner, grace_s=0).run()
    backend.gate.clear()
    child = root.step(1)
    store.put("child", child.entries(), {}, parent_id="p")
    assert "p" in store.manifest("child").references()
    Collector(backend.inner, grace_s=0).run()
    assert not backend.inner.exists("checkpoints/p/tensors.safetensors")
    backend.gate.set()
    store.wait_durable("child", 20)
    fresh = open_store(backend)
    assert fresh.manifest("child").references() == {"child"}
    assert same_bits(fresh.get("child")[0], child.tensors)


def test_when_the_pieces_are_lost_the_child_fails_and_can_be_put_again(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a copy at hand the checkpoint is refused, not stored with holes; the next put stores everything."""
    monkeypatch.setattr(upload, "LISTING_VALID_S", 0.01)
    backend, failed = MemoryBackend(), []
    store = open_store(backend, host_cache_bytes=0, on_failed=lambda checkpoint_id, _: failed.append(checkpoint_id))
    root = State.root()
    store.put("p", root.entries(), {})
    store.flush(10)
    open_store(backend).delete_payload("p")
    for _ in range(2):
        Collector(backend, grace_s=0).run()
    child = root.step(1)
    store.put("child", child.entries(), {}, parent_id="p")
    with pytest.raises(StoreError, match="collected"):
        store.wait_durable("child", 10)
    assert not SnapshotReader(backend).exists("child")
    store.put("child", child.entries(), {}, parent_id="p")
    store.wait_durable("child", 10)
    assert same_bits(open_store(backend).get("child")[0], child.tensors)


def test_a_deleted_checkpoint_is_gone_for_good(open_store: Open) -> None:
    """After collection the id is unknown."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    store.delete_payload("b")
    for _ in range(2):
        Collector(backend, grace_s=0).run()
    with pytest.raises(CheckpointUnavailable):
        open_store(backend).get("b")
    assert store.durability("b") == "absent"


def test_a_slow_pass_deletes_nothing_that_a_writer_has_claimed(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listed before the child came, and acts long after: the writer has put a mark of its own in place."""
    monkeypatch.setattr(upload, "LISTING_VALID_S", 0.01)
    monkeypatch.setattr(marks_module, "LISTING_VALID_S", 0.01)
    backend = MemoryBackend()
    store, other = open_store(backend), open_store(backend, host_cache_bytes=0)
    root = State.root()
    store.put("p", root.entries(), {})
    store.flush(10)
    assert other.manifest("p")
    store.delete_payload("p")
    Collector(backend, grace_s=0).run()
    slow = Collector(backend, grace_s=0)
    slow.begin()
    for stored in scan(backend):
        slow.look(stored)
    child = root.step(1)
    other.put("child", child.entries(), {}, parent_id="p")
    other.wait_durable("child", 10)
    assert "p" in other.manifest("child").references()
    assert marks(backend)["checkpoints/p/tensors.safetensors"].state == "claimed"
    monkeypatch.undo()
    assert slow.act().deleted == 0
    assert same_bits(open_store(backend).get("child")[0], child.tensors)
    assert Collector(backend, grace_s=0).run().candidates == 0


def test_a_candidate_again_waits_until_no_writer_trusts_what_it_saw(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark that was taken back stays a while, then says again that the object goes, and only then may it go."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    store.delete_payload("b")
    Collector(backend, grace_s=0).run()
    manifest = key_of("b", MANIFEST)
    tombstone = backend.get(manifest)
    backend.put(manifest, replace(Manifest("b", None, 1.0, {}, {}), file={}).encode())
    assert Collector(backend, grace_s=0).run().unmarked == 2
    backend.put(manifest, tombstone)
    for _ in range(3):
        report = Collector(backend, grace_s=0).run()
        assert report.candidates == 2 and not report.marked and not report.deleted
    monkeypatch.setattr(marks_module, "DELETED_MARK_S", -1.0)
    assert Collector(backend, grace_s=0).run().marked == 2
    assert Collector(backend, grace_s=0).run().deleted == 2


def test_a_writer_looks_only_at_marks_that_concern_it(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: the first page of the listing, then those on its own files and what they refer to."""
    monkeypatch.setattr(marks_module, "_FEW", 3)
    backend = MemoryBackend()
    for i in range(9):
        mark(backend, f"checkpoints/x{i}/tensors.safetensors", None, 0.0)
    keys = {f"checkpoints/{name}/tensors.safetensors" for name in ("x4", "y")}
    mark(backend, "checkpoints/me/frames.png", None, 0.0)
    found = marks_on(backend, keys, "checkpoints/me/")
    assert set(found) == {"checkpoints/x4/tensors.safetensors", "checkpoints/me/frames.png"}
    monkeypatch.setattr(marks_module, "_FEW", 30)
    assert marks_on(backend, keys, "checkpoints/me/") == found


def test_clips_go_with_their_checkpoint_and_when_they_are_old(open_store: Open) -> None:
    """A clip can be made again: it is kept for a time, and none of a checkpoint that is gone."""
    backend = MemoryBackend()
    store = open_store(backend)
    _tree(store)
    store.delete_payload("b")
    keys = {f"videos/{name}/0-9-8fps.mp4" for name in ("a", "b", "unknown")}
    for key in keys:
        backend.put(key, b"mp4")
    assert Collector(backend, grace_s=3600).run().clips == 0, "its checkpoint may be on its way to storage"
    for _ in range(2):
        report = Collector(backend, grace_s=0, clips_kept_s=3600).run()
        assert (report.clips, report.clip_bytes) == (2, 6)
    assert {info.key for info in backend.list("videos/")} == {"videos/a/0-9-8fps.mp4"}
    for _ in range(2):
        Collector(backend, grace_s=0, clips_kept_s=0).run()
    assert not list(backend.list("videos/"))
