"""What must hold for every model, as its own tests prove it: the toy, tabletop, DreamZero's real classes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from arc_fabric import Session, StateManager, StepResult
from arc_fabric.models.contract import WorldModel
from arc_fabric.store import SnapshotStore, backends
from arc_fabric.store.backends import Backend, MemoryBackend
from tests.sdk.worlds import OTHER, PROMPT, assert_same, run
from tests.support import nursery

Place = tuple[str, ...]
"""Where a store keeps its data: the name of a backend's class and its arguments."""


def on_disk(folder: Path) -> Place:
    """In this folder."""
    return "DiskBackend", str(folder)


def backend_at(place: Place) -> Backend:
    """The backend there."""
    return getattr(backends, place[0])(*place[1:])


def assert_next_elsewhere(expected: StepResult, place: Place, checkpoint: str, *maker: str) -> None:
    """A fresh process, with the model that `maker` (module, function, arguments) makes and the store at `place`, takes
    the step from the checkpoint that was taken here."""
    command = ["tests.sdk.elsewhere", json.dumps(place), checkpoint, *maker]
    with tempfile.TemporaryDirectory() as folder:
        child = nursery.shared().child("elsewhere", command, Path(folder) / "elsewhere.log", torch=True)
        child.start()
        status, said = child.wait(280), child.log.read_text()
    assert status == 0, said
    assert said.split("LATENTS ")[1].strip() == expected.step_latents.float().numpy().tobytes().hex()


def assert_goes_back(session: Session, plain: Sequence[StepResult]) -> None:
    """A session that took these steps does so again: forked at each of them from the newest on, and rewound to the
    first."""
    for at in reversed(range(len(plain))):
        fork = session.fork(session.trajectory.checkpoint_at(at))
        assert_same(fork.step(auto_checkpoint=False), plain[at])
    session.rewind(len(plain) - 1)
    for theirs in plain[1:]:
        assert_same(session.step(auto_checkpoint=False), theirs)


def assert_light_is_rebuilt(model: WorldModel, world: Callable[[StateManager], Session], *, changed: bool) -> None:
    """Another manager rebuilds the KV from latents, checks it against the original, and goes on with the same bits;
    also where the prompt was `changed` within the window."""
    store = SnapshotStore(MemoryBackend(), policy="light")
    session = world(StateManager(model, store=store))
    session.step()
    session.prompt = OTHER if changed else PROMPT
    steps = run(session, 3)
    store.close()
    manager = StateManager(model, store=SnapshotStore(store.backend))
    fork = Session.from_checkpoint("fork", model, manager, steps[1].checkpoint_id)
    assert not fork.snapshot.has_kv
    assert_same(fork.step(), steps[2])
    manager.store.close()
