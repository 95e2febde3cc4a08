"""The pipeline: steps do not wait, the byte budget holds, an outage loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch

from arc_fabric.errors import Conflict, DeadlineExceeded, StoreError, StoreUnavailable
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import MemoryBackend, ObjectInfo
from arc_fabric.store.backends.base import Buffer
from arc_fabric.store.write import upload
from tests.store.faulty import FaultyBackend
from tests.store.states import State, same_bits
from tests.support.waiting import eventually

Open = Callable[..., SnapshotStore]


def _whole(size: int, seed: int) -> list[TensorEntry]:
    data = torch.randint(0, 255, (size,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return [TensorEntry("frames", data)]


def test_a_put_does_not_wait_for_storage(open_store: Open) -> None:
    """With storage stuck for good, put returns and the state can already be read back."""
    backend = FaultyBackend()
    backend.gate.clear()
    store = open_store(backend)
    state = State.root()
    store.put("a", state.entries(), {"n": 1})
    assert store.durability("a") == "pending"
    assert same_bits(store.get("a")[0], state.tensors)
    eventually(lambda: store.status()["in_flight_bytes"] == store.manifest("a").bytes_new)
    assert same_bits(store.get("a")[0], state.tensors)
    backend.gate.set()
    store.wait_durable("a", 10)
    assert store.durability("a") == "durable"


def test_durability_is_reported_once_per_checkpoint(open_store: Open) -> None:
    """on_durable comes after the manifest is stored, for every checkpoint, whatever the callback raises, and says how
    many bytes the checkpoint has in storage: of its file, its attachments and its manifest."""
    backend, told = MemoryBackend(), []

    def tell(checkpoint_id: str, size: int) -> None:
        objects = {info.key: info.size for info in backend.list(f"checkpoints/{checkpoint_id}/")}
        there = f"checkpoints/{checkpoint_id}/manifest.json" in objects
        told.append((checkpoint_id, there and len(objects) == 3 and sum(objects.values()) == size))
        raise RuntimeError("a careless callback")

    store = open_store(backend, on_durable=tell)
    for i in range(5):
        store.put(f"c{i}", _whole(1000, i), {}, attachments={"frames.png": b"png"})
    store.flush(10)
    eventually(lambda: len(told) == 5)
    assert sorted(told) == [(f"c{i}", True) for i in range(5)]


def test_a_full_budget_holds_the_next_put_back_and_says_why(open_store: Open) -> None:
    """Storage down: puts go on within the budget, then wait with a clear status; all is stored when it returns."""
    backend = FaultyBackend()
    store = open_store(backend, upload_budget_bytes=2500)
    backend.down = True
    for i in range(2):
        store.put(f"c{i}", _whole(1000, i), {})
    eventually(lambda: store.status()["state"] == "storage_down")
    with pytest.raises(StoreUnavailable, match="has not answered"):
        store.put("late", _whole(1000, 8), {}, timeout=0.2)
    waiting = threading.Thread(target=lambda: store.put("c2", _whole(1000, 2), {}))
    waiting.start()
    eventually(lambda: store.status()["waiting"] == 1)
    assert store.status()["in_flight_bytes"] <= 2500
    with pytest.raises(DeadlineExceeded):
        store.wait_durable("c0", 0.1)
    backend.down = False
    waiting.join(10)
    store.put("late", _whole(1000, 8), {})
    store.flush(15)
    assert store.status()["state"] == "ok"
    fresh = open_store(backend.inner)
    for i, name in ((0, "c0"), (1, "c1"), (2, "c2"), (8, "late")):
        assert torch.equal(fresh.get(name)[0]["frames"], _whole(1000, i)[0].tensor)


def test_one_put_larger_than_the_budget_is_let_in_alone(open_store: Open) -> None:
    """A step may add more than the whole budget; it must not wait for ever."""
    store = open_store(MemoryBackend(), upload_budget_bytes=10)
    for i in range(3):
        store.put(f"c{i}", _whole(1000, i), {}, timeout=10)
    store.flush(10)


def test_writing_into_a_tensor_before_it_is_copied_off_fails_loudly(open_store: Open) -> None:
    """A tensor changed in place under the store fails that checkpoint; it never becomes a wrong snapshot."""
    failed: list[str] = []
    backend = FaultyBackend()
    store = open_store(backend, on_failed=lambda checkpoint_id, error: failed.append(checkpoint_id))
    slow = torch.randn(1, 64, 64)
    hold = threading.Event()
    original = store._writer._gatherer.gather  # the moment before the copy cannot be had from outside
    store._writer._gatherer.gather = lambda job: (hold.wait(10), original(job))[1]
    store.put("a", [TensorEntry("frames", slow)], {})
    slow.add_(1)
    hold.set()
    with pytest.raises(StoreError, match="in place"):
        store.wait_durable("a", 10)
    eventually(lambda: failed == ["a"])
    assert store.durability("a") == "absent"
    store.put("a", [TensorEntry("frames", slow)], {})
    store.wait_durable("a", 10)
    eventually(lambda: store.status()["in_flight_bytes"] == 0)
    assert store.usage()["host"]["pinned_bytes"] == 0
    store.evict("a")
    assert store.usage()["host"]["pieces"] == 0, "what failed holds nothing in host memory"


def test_a_child_is_never_durable_before_what_it_shares(open_store: Open) -> None:
    """The manifest of a child is stored after its parent's."""
    backend = FaultyBackend()
    store = open_store(backend)
    state = State.root()
    store.put("c0", state.entries(), {})
    for i in range(1, 8):
        state = state.step(i)
        store.put(f"c{i}", state.entries(), {}, parent_id=f"c{i - 1}")
    store.flush(20)
    manifests = [key.split("/")[1] for key in backend.puts if key.endswith("manifest.json")]
    assert manifests == sorted(manifests)


def test_a_checkpoint_that_another_process_stored_equal_counts_as_stored(open_store: Open) -> None:
    """A worker died between upload and commit; another makes the same checkpoint again and stores nothing anew."""
    backend, told = FaultyBackend(), []
    first, again = open_store(backend), open_store(backend, on_durable=lambda *said: told.append(said))
    root = State.root()
    child = root.step(1)
    first.put("c0", root.entries(), {"seed": 1})
    first.put("c1", child.entries(), {"seed": 1, "timestamp": 1.0}, parent_id="c0", attachments={"f.png": b"png"})
    first.flush(10)
    before, backend.puts[:] = dict(_contents(backend)), []
    again.put("c1", child.clone().entries(), {"seed": 1, "timestamp": 2.0}, parent_id="c0", attachments={"f.png": b"?"})
    again.wait_durable("c1", 10)
    size = sum(info.size for info in backend.list("checkpoints/c1/"))
    assert (told, backend.puts) == ([("c1", size)], [])
    again.put("c2", child.step(2).entries(), {}, parent_id="c1")
    again.flush(10)
    assert before.items() <= dict(_contents(backend)).items()
    assert same_bits(open_store(backend).get("c2")[0], child.step(2).tensors)
    for other, meta in ((root.step(9), {"seed": 1}), (child, {"seed": 2})):
        store = open_store(backend)
        store.put("c1", other.entries(), meta, parent_id="c0")
        with pytest.raises(Conflict):
            store.wait_durable("c1", 10)
    open_store(backend).delete_payload("c1")
    late = open_store(backend)
    late.put("c1", child.entries(), {"seed": 1, "timestamp": 3.0}, parent_id="c0")
    with pytest.raises(Conflict):  # what its owner deleted does not come back
        late.wait_durable("c1", 10)


def _contents(backend: FaultyBackend) -> list[tuple[str, bytes]]:
    return [(info.key, backend.inner.get(info.key)) for info in backend.inner.list("checkpoints/")]


class Counting(FaultyBackend):
    """Names its requests; the answer of the next put of a manifest can be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.lose_answer = False

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.asked.append(f"GET {key}")
        return self.inner.get(key, offset, length)

    def stat(self, key: str) -> ObjectInfo:
        self.asked.append(f"HEAD {key}")
        return super().stat(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.asked.append(f"LIST {prefix}")
        return super().list(prefix)

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        self.asked.append(f"PUT {key}")
        super().put(key, parts)
        if self.lose_answer and key.endswith("manifest.json"):
            self.lose_answer = False
            raise StoreUnavailable("The answer was lost for a test.")


def test_a_checkpoint_with_a_new_id_takes_three_requests(open_store: Open) -> None:
    """Tensors, manifest, a look for marks; four where the id may be known to storage, which is asked first."""
    backend = Counting()
    store = open_store(backend)
    state = State.root()
    for name, new, asked in (("a", True, []), ("b", False, ["GET checkpoints/b/manifest.json"])):
        backend.asked.clear()
        store.put(name, (state := state.step(ord(name))).entries(), {}, new_id=new)
        store.wait_durable(name, 10)
        puts = [f"PUT checkpoints/{name}/tensors.safetensors", f"PUT checkpoints/{name}/manifest.json"]
        assert backend.asked[: len(asked) + 3] == [*asked, *puts, "LIST gc/condemned/"]
        assert len(backend.asked) == len(asked) + 3


def test_a_lost_answer_for_a_new_id_is_found_out(open_store: Open) -> None:
    """The second try asks storage and finds that the first one had done it."""
    backend = Counting()
    store = open_store(backend)
    backend.lose_answer = True
    state = State.root()
    store.put("a", state.entries(), {}, new_id=True)
    store.wait_durable("a", 10)
    assert backend.asked.count("PUT checkpoints/a/manifest.json") == 1
    assert backend.asked.count("GET checkpoints/a/manifest.json") == 1
    assert same_bits(open_store(backend.inner).get("a")[0], state.tensors)


def test_a_known_id_is_still_refused(open_store: Open) -> None:
    """What another process stored under the id is never overwritten by a put that does not vouch for its id."""
    backend = MemoryBackend()
    open_store(backend).put("a", State.root(1).entries(), {})
    eventually(lambda: backend.exists("checkpoints/a/manifest.json"))
    other = open_store(backend)
    other.put("a", State.root(2).entries(), {})
    with pytest.raises(Conflict):
        other.wait_durable("a", 10)


def test_the_lost_file_of_an_ancestor_holds_nobody_up(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """No collector has marked it, so there is nothing to wait for: its pieces are stored anew at once."""
    monkeypatch.setattr(upload, "LISTING_VALID_S", 3600.0)
    backend, before = MemoryBackend(), State.root()
    writer = open_store(backend)
    writer.put("a", before.entries(), {})
    middle = before.step(1)
    writer.put("b", middle.entries(), {}, parent_id="a")
    writer.flush(60)
    store = open_store(backend)
    store.pin("b")
    backend.delete("checkpoints/a/tensors.safetensors")
    after = middle.step(2)
    store.put("c", after.entries(), {}, parent_id="b")
    store.put("other-session", _whole(1000, 1), {})
    store.flush(60)
    assert "a" not in store.manifest("c").references()
    assert same_bits(open_store(backend).get("c")[0], after.tensors)
