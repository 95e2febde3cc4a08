"""Brings a model up in the task thread, and puts everything away at the end. Imports torch."""

from __future__ import annotations

import gc
import logging
import sys
import time
from dataclasses import asdict

import numpy as np
import torch

from arc_fabric.errors import DeadlineExceeded
from arc_fabric.models.contract import Model
from arc_fabric.models.registry import load_model
from arc_fabric.services.devices import set_threads, threads_per_worker, worker_devices
from arc_fabric.session import Session
from arc_fabric.settings import Settings
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import backend_from_settings
from workers.process.batch_plan import rows_at_once
from workers.process.durability import DurabilityReporter
from workers.process.process import WorkerProcess
from workers.process.retry import through_outages
from workers.process.runtime import Runtime

log = logging.getLogger(__name__)


def bring_up(process: WorkerProcess) -> None:
    """Load the model, warm it with one step in this thread (compiled code and graphs are per thread), and tell the
    ledger what it is."""
    settings = process.settings
    sys.setswitchinterval(0.0005)  # the task thread shall not wait 5 ms for the GIL between two small kernels
    set_threads(threads_per_worker(len(worker_devices(settings.devices)), settings.worker_threads))
    begun = time.perf_counter()
    model = load_model(settings.model, visible(process.device))
    warm(model)
    if hasattr(model, "on_compute"):
        model.on_compute, process.gil_turns.announced = process.gil_turns.open, True
    process.reporter = DurabilityReporter(process.ledger, process.drain)
    process.runtime = Runtime(model, open_store(settings, process, model), max_checkpoints=settings.max_checkpoints)
    process.batch_rows = rows_at_once(settings, model)
    card = {
        "name": settings.model, "geometry": asdict(model.geometry), "abilities": asdict(model.abilities),
        "identity": model.identity().to_dict(),
    }  # fmt: skip
    process.card = card
    through_outages(lambda: process.ledger.model_card.write(card))
    gc.collect()
    gc.freeze()  # what stays for good is not looked through again by every collection, which stops the task thread
    log.info("%s: %s ready in %.1f s", process.name, settings.model, time.perf_counter() - begun)


def visible(device: str) -> str:
    """What torch calls this worker's device, or devices: the other ones are hidden from its process.

    >>> visible("cuda:3"), visible("cuda:2+cuda:3"), visible("cpu")
    ('cuda:0', 'cuda:0+cuda:1', 'cpu')
    """
    if not device.startswith("cuda"):
        return device
    return "+".join(f"cuda:{number}" for number, _ in enumerate(device.split("+")))


def warm(model: Model) -> None:
    """One step on a grey picture; nothing of it stays."""
    from arc_fabric.manager import StateManager

    geometry = model.geometry
    grey = np.full((geometry.image_height, geometry.image_width, 3), 128, np.uint8)
    manager = StateManager(model)
    session = Session("warm-up", model, manager, "warm up", grey)
    session.step(auto_checkpoint=False)
    session.step(auto_checkpoint=False)
    manager.clear()
    manager.store.close()


def open_store(settings: Settings, process: WorkerProcess, model: Model) -> SnapshotStore:
    """The snapshot store of this process, reporting to the ledger. It never drops KV that the model cannot rebuild."""
    return SnapshotStore(
        backend_from_settings(settings),
        host_cache_bytes=settings.host_cache_bytes,
        disk_cache_bytes=settings.disk_cache_bytes,
        disk_cache_dir=settings.data_dir / "cache" / process.name,
        upload_budget_bytes=settings.upload_budget_bytes,
        policy=settings.snapshot_policy if model.abilities.rebuilds_kv else "full",
        on_durable=process.reporter.durable,
        on_failed=process.reporter.failed,
        pace=process.gil_turns.wait,
    )


def shut_down(process: WorkerProcess, timeout_s: float) -> None:
    """Store what is pending and report it."""
    assert process.runtime is not None
    try:
        process.runtime.store.flush(timeout_s)
    except DeadlineExceeded as error:
        log.warning("%s", error)
    process.reporter.close()
    process.runtime.store.close(0.5)
    if process.runtime.model.device.type == "cuda":
        torch.cuda.synchronize(process.runtime.model.device)
