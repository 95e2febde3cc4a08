"""fsck and restores: every flipped bit and every truncation is detected and named; none restores silently."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import pytest
import torch

from arc_fabric.errors import ArcFabricError, DamagedSnapshot, UnknownFormat
from arc_fabric.store import SnapshotReader, SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.repair import repair_kv
from tests.store.states import State, same_bits

Open = Callable[..., SnapshotStore]
IDS = ("c0", "c1", "c2")


@pytest.fixture
def stored(open_store: Open) -> tuple[MemoryBackend, list[State]]:
    """Three checkpoints of one lineage, each with an attachment."""
    backend = MemoryBackend()
    store = open_store(backend)
    states = [State.root()]
    for i in (1, 2):
        states.append(states[-1].step(i))
    for i, state in enumerate(states):
        store.put(IDS[i], state.entries(), {"i": i}, parent_id=IDS[i - 1] if i else None, attachments={"f.png": b"png"})
    store.flush(10)
    return backend, states


def test_a_sound_store_checks_out(stored: tuple[MemoryBackend, list[State]]) -> None:
    """Everything is read once and nothing is reported."""
    report = Checker(stored[0], read_data=1.0).run()
    assert report.ok and report.checkpoints == 3 and report.objects == 9
    total = sum(info.size for info in stored[0].list("checkpoints/") if info.key.endswith(".safetensors"))
    assert 0 < report.bytes_read <= total


def test_a_share_of_the_data_can_be_read(stored: tuple[MemoryBackend, list[State]]) -> None:
    """--read-data=30% reads about that much; without it nothing but headers and manifests is read."""
    assert Checker(stored[0]).run().bytes_read == 0
    report = Checker(stored[0], read_data=0.3, seed=1).run()
    assert 0 < report.pieces_read < report.pieces


def _outcomes(backend: Backend, open_store: Open, states: list[State]) -> Mapping[str, bool]:
    """Per checkpoint whether it restored; a restore with wrong bits fails the test."""
    store, reader, restored = open_store(backend), SnapshotReader(backend), {}
    for checkpoint_id, state in zip(IDS, states, strict=True):
        try:
            tensors, meta = store.get(checkpoint_id)
            assert meta == {"i": IDS.index(checkpoint_id)} and same_bits(tensors, state.tensors), (
                "restored silently wrong"
            )
            assert reader.attachment(checkpoint_id, "f.png") == b"png"
            restored[checkpoint_id] = True
        except ArcFabricError as error:
            assert isinstance(error, DamagedSnapshot | UnknownFormat) or error.status == 409, error
            restored[checkpoint_id] = False
    store.close()
    return restored


def _damage(data: bytes, dice: random.Random) -> bytes:
    kind = dice.choice(["flip", "flip", "flip", "cut", "extend"])
    if kind == "cut":
        return data[: dice.randrange(len(data))]
    if kind == "extend":
        return data + dice.randbytes(dice.randrange(1, 20))
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_goes_unnoticed(stored: tuple[MemoryBackend, list[State]], open_store: Open, seed: int) -> None:
    """Flip a bit, cut or extend any stored object: fsck names it, and what it says is unaffected restores."""
    backend, states = stored
    dice = random.Random(seed)
    objects = {info.key: backend.get(info.key) for info in backend.list("checkpoints/")}
    for _ in range(30):
        key = dice.choice(sorted(objects))
        backend.put(key, _damage(objects[key], dice))
        report = Checker(backend, read_data=1.0).run()
        assert key in {problem.object for problem in report.problems}, f"{key} is damaged and fsck did not see it"
        for checkpoint_id, restored in _outcomes(backend, open_store, states).items():
            assert restored or checkpoint_id in report.affected
        backend.put(key, objects[key])


def test_padding_in_a_tensors_file_is_covered(stored: tuple[MemoryBackend, list[State]]) -> None:
    """There is no byte in a tensors file that no digest covers."""
    backend, _ = stored
    manifest = SnapshotReader(backend).manifest("c1")
    own = [p for t in manifest["tensors"].values() for p in t["pieces"] if p.get("checkpoint") == "c1"]
    covered = manifest["file"]["header_length"] + sum(piece["length"] for piece in own)
    assert covered == manifest["file"]["length"] == backend.stat("checkpoints/c1/tensors.safetensors").size


def test_a_newer_format_is_refused_clearly(stored: tuple[MemoryBackend, list[State]], open_store: Open) -> None:
    """A version this software does not know is named, not guessed at."""
    backend, _ = stored
    body = json.loads(backend.get("checkpoints/c0/manifest.json"))
    backend.put("checkpoints/c0/manifest.json", json.dumps(body | {"version": 99}).encode())
    with pytest.raises(UnknownFormat, match="99"):
        open_store(backend).get("c0")
    assert [problem.kind for problem in Checker(backend).run().problems] == ["version"]


def test_a_missing_file_names_all_who_need_it(stored: tuple[MemoryBackend, list[State]]) -> None:
    """The trunk's file is gone: the trunk and its descendants are affected."""
    stored[0].delete("checkpoints/c0/tensors.safetensors")
    report = Checker(stored[0]).run()
    assert report.affected == set(IDS)
    assert [problem.kind for problem in report.problems] == ["missing"]


def test_damaged_kv_is_rebuilt_in_place(stored: tuple[MemoryBackend, list[State]], open_store: Open) -> None:
    """With the KV rebuilt from latents fsck can mend the file; a rebuild with other bits is not written."""
    backend, states = stored
    piece = next(p for _, p in open_store(backend).manifest("c1").own_parts() if p.key.startswith("kv_cache_neg"))
    key = "checkpoints/c1/tensors.safetensors"
    whole = backend.get(key)
    backend.put(key, whole[: piece.offset] + bytes(piece.length) + whole[piece.offset + piece.length :])
    problems = Checker(backend, read_data=1.0).run().problems
    assert len(problems) == 1 and problems[0].rebuildable and problems[0].checkpoints == ("c1", "c2")
    wrong = repair_kv(backend, problems, lambda _: {n: torch.zeros_like(t) for n, t in states[1].tensors.items()})
    assert wrong.remaining == problems and set(wrong.why) == {"c1", "c2"}
    done = repair_kv(backend, problems, lambda i: states[IDS.index(i)].tensors)
    assert (done.repaired, done.remaining) == (problems, [])
    assert backend.get(key) == whole


def test_kv_that_was_cut_off_is_rebuilt_in_place(stored: tuple[MemoryBackend, list[State]], open_store: Open) -> None:
    """A file that ends before its KV gets it back, and its length; what else was cut off stays a problem."""
    backend, states = stored
    own = [p for _, p in open_store(backend).manifest("c1").own_parts()]
    first_kv = next(p for p in own if p.key.startswith("kv_"))
    key = "checkpoints/c1/tensors.safetensors"
    whole = backend.get(key)
    for end, left in ((first_kv.offset + 5, 0), (first_kv.offset - 1, 1)):
        backend.put(key, whole[:end])
        problems = Checker(backend, read_data=1.0).run().problems
        assert len(problems) > 2
        done = repair_kv(backend, problems, lambda i: states[IDS.index(i)].tensors)
        assert [p.rebuildable for p in done.remaining] == [False] * left
        assert len(Checker(backend, read_data=1.0).run().problems) == left
        assert (backend.get(key) == whole) == (not left)


def test_a_file_with_nothing_but_kv_is_made_again(stored: tuple[MemoryBackend, list[State]], open_store: Open) -> None:
    """The file of a deleted checkpoint whose descendants need only its KV is rebuilt from nothing."""
    backend, states = stored
    store = open_store(backend)
    state = State({name: t for name, t in states[1].tensors.items() if name.startswith("kv_")})
    store.put("k1", state.entries(), {})
    store.put("k2", state.entries(), {}, parent_id="k1")
    store.flush(10)
    store.delete_payload("k1")
    backend.delete("checkpoints/k1/tensors.safetensors")
    problems = Checker(backend, read_data=1.0).run().problems
    assert [(p.kind, p.rebuildable) for p in problems] == [("missing", True)]
    assert repair_kv(backend, problems, lambda _: state.tensors).remaining == []
    assert Checker(backend, read_data=1.0).run().ok
    assert same_bits(open_store(backend).get("k2")[0], state.tensors)
