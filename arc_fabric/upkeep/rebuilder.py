"""Makes KV again from latents outside of a worker, for `arc-fabric fsck --repair`."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from arc_fabric.errors import ArcFabricError
from arc_fabric.manager import StateManager
from arc_fabric.models.registry import load_model
from arc_fabric.services.devices import set_threads, threads_per_worker, worker_devices
from arc_fabric.settings import Settings
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend


class Rebuilder:
    """`rebuilder(checkpoint_id)` is that checkpoint's KV by name. The model is loaded at the first call, if any."""

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self._settings = settings
        self._store = SnapshotStore(backend)
        self._manager: StateManager | None = None
        self._unavailable: ArcFabricError | None = None

    def __call__(self, checkpoint_id: str) -> Mapping[str, Tensor]:
        """Raises what loading the model raised, and what `StateManager.rebuilt_kv` raises."""
        if self._unavailable is not None:
            raise self._unavailable
        if self._manager is None:
            try:
                self._manager = self._load()
            except ArcFabricError as error:
                self._unavailable = error
                raise
        return self._manager.rebuilt_kv(checkpoint_id)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _load(self) -> StateManager:
        """Load the model as a worker does: the same device kind and threads give the same bits."""
        devices = worker_devices(self._settings.devices)
        set_threads(threads_per_worker(len(devices), self._settings.worker_threads))
        return StateManager(load_model(self._settings.model, devices[0]), max_checkpoints=1, store=self._store)
