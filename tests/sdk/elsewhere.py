"""`python -m tests.sdk.elsewhere PLACE CHECKPOINT MODULE MAKER [ARGUMENT ...]`: the step from a stored checkpoint, in a
process that has seen nothing of the world. Prints the bytes of its latents."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from arc_fabric import Session, StateManager
from arc_fabric.store import SnapshotStore, backends

if __name__ == "__main__":
    place, checkpoint, module, maker, *arguments = sys.argv[1:]
    backend, *where = json.loads(place)
    store = SnapshotStore(getattr(backends, backend)(*where))
    manager = StateManager(getattr(import_module(module), maker)(*arguments), store=store)
    session = Session.from_checkpoint("elsewhere", manager.model, manager, checkpoint)
    print("LATENTS", session.step().step_latents.float().numpy().tobytes().hex())
    store.close()
