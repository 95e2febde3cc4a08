"""The model of this process and the sessions whose state it holds. Belongs to the task thread.

Only `resident_ids` and `memory` may be called from other threads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from arc_fabric.base.present import present
from arc_fabric.ledger import SessionRecord
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import Model
from arc_fabric.session import Session
from arc_fabric.store import SnapshotStore
from workers.process.meters import GpuMeter


@dataclass
class Resident:
    """A session kept at its head, ready for the next step."""

    session: Session
    used: float


class Runtime:
    """Model, state manager, store and resident sessions."""

    def __init__(self, model: Model, store: SnapshotStore, *, max_checkpoints: int = 50) -> None:
        self.model = model
        self.store = store
        self.manager = StateManager(model, max_checkpoints, store=store)
        self.gpu = GpuMeter(model.device)
        self._residents: dict[str, Resident] = {}

    def holds(self, record: SessionRecord) -> bool:
        """Whether the session is resident at the head that the ledger names."""
        kept = self._residents.get(record.id)
        return kept is not None and kept.session.head == record.head

    def session(self, record: SessionRecord) -> Session:
        """The SDK session at the ledger's head, with the ledger's prompt, seed and settings; loads it if need be.

        The payload must be within reach (see payloads.py).
        """
        if not self.holds(record):
            self.drop(record.id)
            made = Session.from_checkpoint(record.id, self.model, self.manager, present(record.head))
            self._residents[record.id] = Resident(made, time.monotonic())
        kept = self._residents[record.id]
        kept.used = time.monotonic()
        kept.session.prompt = record.prompt
        kept.session.prompt_mode = record.prompt_mode
        kept.session.model_settings = record.model_settings
        if record.seed is not None:
            kept.session.seed = record.seed
        return kept.session

    def keep(self, session: Session) -> None:
        """Hold a session that was just made."""
        self._residents[session.session_id] = Resident(session, time.monotonic())

    def drop(self, session_id: str) -> None:
        """Let go of a session's state; storage still has it."""
        self._residents.pop(session_id, None)

    def forget(self, session_id: str) -> None:
        """Let go of a session that works here no more, and of the checkpoints that were kept at hand for it."""
        self.drop(session_id)
        self.manager.let_go_of(session_id)

    def drop_idle(self, older_than_s: float) -> list[str]:
        """Let go of sessions that nobody used for a while; returns their ids."""
        limit = time.monotonic() - older_than_s
        idle = [session_id for session_id, kept in list(self._residents.items()) if kept.used < limit]
        for session_id in idle:
            self.forget(session_id)
        if not self._residents:
            self.manager.clear()
        return idle

    def resident_ids(self) -> list[str]:
        """Sessions whose state is in this process."""
        return sorted(self._residents)

    def memory(self) -> dict[str, int]:
        """Bytes on the device and in the store's tiers."""
        used: dict[str, Any] = {}
        if self.model.device.type == "cuda":
            used["device_bytes"] = torch.cuda.memory_allocated(self.model.device)
            used["device_peak_bytes"] = torch.cuda.max_memory_allocated(self.model.device)
        for tier, facts in self.store.usage().items():
            if "bytes" in facts:
                used[f"{tier}_tier_bytes"] = int(facts["bytes"])
        return used
