"""The storage budget beside real workers: which KV stays, and that every checkpoint goes on with the same bits."""

from __future__ import annotations

from typing import Any

from arc_fabric.ledger import SessionRecord
from arc_fabric.settings import Settings
from arc_fabric.store.format.manifest import is_rebuildable
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.upkeep.storage_budget import keep_to_budget
from tests.support.waiting import eventually
from tests.upkeep.conftest import Terminal
from tests.workers.conftest import Fleet


def _settings(fleet: Fleet, budget: int = 1, **changes: Any) -> Settings:
    return fleet.settings.replaced(storage_budget_bytes=budget, gc_grace_s=0.0, **changes)


def _whole(fleet: Fleet, checkpoint_id: str) -> bool:
    """Whether all of a checkpoint's KV is in storage."""
    pieces = [
        piece
        for record in load_manifest(fleet.store, checkpoint_id).tensors.values()
        if is_rebuildable(record.name)
        for piece in record.pieces
    ]
    return all(piece.zero or _holds(fleet, piece.checkpoint, piece.offset + piece.length) for piece in pieces)


def _holds(fleet: Fleet, owner: str, end: int) -> bool:
    return bool(owner) and fleet.store.stat(f"checkpoints/{owner}/tensors.safetensors").size >= end


def _trunk(fleet: Fleet, steps: int) -> tuple[SessionRecord, list[str]]:
    """A stored trunk: its session and its checkpoints from the root."""
    session = fleet.create()
    fleet.step(session, steps=steps)
    path = fleet.ledger.nodes.path(fleet.ledger.sessions.get(session.id).head)[::-1]
    eventually(lambda: all(node.durability == "durable" for node in fleet.ledger.nodes.many(path)))
    return fleet.ledger.sessions.get(session.id), path


def test_heads_and_marked_checkpoints_keep_their_kv_and_the_others_go_on_all_the_same(fleet: Fleet) -> None:
    """A trunk over two windows with a label in the first; forks from light checkpoints have the bits of the trunk."""
    fleet.start("gpu.0")
    session, path = _trunk(fleet, 8)
    bits = {node.frame_index: node.internal["_digest"] for node in fleet.ledger.nodes.many(path[1:])}
    fleet.ledger.nodes.update(path[2], label="good")
    window = fleet.ledger.nodes.get(path[-1]).window_start
    settings = _settings(fleet)
    plan = keep_to_budget(fleet.ledger, fleet.store, settings, dry_run=True)
    assert plan is not None and plan.chosen and not plan.freed_bytes
    assert all(_whole(fleet, node) for node in path)
    for _ in range(2):
        report = keep_to_budget(fleet.ledger, fleet.store, settings)
    assert report is not None and report.freed_bytes > 0 and report.excess_bytes > 0
    kept = {path[0], *path[1:3], *path[window + 1 :]}
    assert {node for node in path if _whole(fleet, node)} == kept
    fleet.step(session)  # the worker goes on beside it
    fleet.kill("gpu.0")
    fleet.start("gpu.1")
    for light in [i for i, node in enumerate(path) if node not in kept and i < len(path) - 1]:
        fork, job = fleet.fork(path[light], steps=1)
        assert fleet.latents(fleet.done(job).result["head"]) == bits[light + 1]
        fleet.ledger.sessions.close(fork.id)


def test_there_is_no_thinning_without_a_budget_a_model_that_rebuilds_or_the_policy(fleet: Fleet) -> None:
    """KV that nobody could make again is never taken away."""
    fleet.start("gpu.0")
    _, path = _trunk(fleet, 2)
    assert keep_to_budget(fleet.ledger, fleet.store, _settings(fleet, budget=0)) is None
    assert keep_to_budget(fleet.ledger, fleet.store, _settings(fleet, snapshot_policy="full")) is None
    card = fleet.ledger.model_card.read()
    fleet.ledger.model_card.write(card | {"identity": {"name": "another"}})
    report = keep_to_budget(fleet.ledger, fleet.store, _settings(fleet))
    assert report is not None and report.kept == len(path) and not report.chosen
    fleet.ledger.model_card.write(card | {"abilities": card["abilities"] | {"rebuilds_kv": False}})  # type: ignore[operator]
    assert keep_to_budget(fleet.ledger, fleet.store, _settings(fleet)) is None


def test_gc_shows_and_keeps_the_budget(fleet: Fleet, terminal: Terminal) -> None:
    """`arc-fabric gc` on the named servers: a dry run, a run that marks, a run that frees."""
    fleet.start("gpu.0")
    session, path = _trunk(fleet, 3)
    fleet.ledger.sessions.close(session.id)

    def gc(*words: str) -> dict[str, Any]:
        budget: dict[str, Any] = terminal(_settings(fleet), "gc", *words)["budget"]
        return budget

    assert len(gc("--dry-run")["chosen"]) == 3
    assert gc()["marked"] == 3
    assert gc("--dry-run")["freed_bytes"] > 0
    assert _whole(fleet, path[1])
    assert gc()["dropped"] == 3
    assert not any(_whole(fleet, node) for node in path[1:])
