"""Says in the bucket, every few minutes, that this ledger's workers store there (store/backends/signs.py)."""

from __future__ import annotations

from arc_fabric.base.threads import Rounds
from arc_fabric.store.backends import Backend, signs
from workers.process.process import WorkerProcess
from workers.process.retry import OUTAGES


class Signer(Rounds):
    """Signs at once, then every EVERY_S seconds."""

    def __init__(self, process: WorkerProcess, backend: Backend) -> None:
        super().__init__("signer", self.round, every_s=signs.EVERY_S, outages=OUTAGES)
        self._process, self._backend = process, backend

    def round(self) -> None:
        """One sign."""
        signs.sign(self._backend, self._process.ledger.inputs.ledger_id())
