"""The pipeline: one thread gathers (device -> host), a few upload (host -> storage), a byte budget bounds both."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from arc_fabric.base.retry import doubling, retry
from arc_fabric.base.threads import Rounds
from arc_fabric.errors import StoreError, StoreUnavailable
from arc_fabric.store.backends import Backend
from arc_fabric.store.read.manifest_cache import ManifestCache
from arc_fabric.store.tiers import HostTier
from arc_fabric.store.write.budget import ByteBudget
from arc_fabric.store.write.gather import Gatherer
from arc_fabric.store.write.job import WriteJob
from arc_fabric.store.write.upload import PiecesCollected, Uploader

log = logging.getLogger(__name__)
_UPLOADERS = 2
_UNGATHERED = 2
"""Jobs that may hold tensors of the device at once."""
_RETRY_FIRST_S = 0.1
_RETRY_MOST_S = 3.0


class Writer:
    """Takes WriteJobs and makes them durable in order of dependence. Storage errors are retried until it answers."""

    def __init__(
        self,
        backend: Backend,
        gatherer: Gatherer,
        manifests: ManifestCache,
        host: HostTier,
        budget: ByteBudget,
        *,
        on_durable: Callable[[str, int], None],
        on_failed: Callable[[str, Exception], None],
    ) -> None:
        """`on_failed` is for errors that trying again does not cure."""
        self.budget = budget
        self._uploader = Uploader(backend, host, sleep=lambda seconds: self._sleep(seconds))
        self._gatherer = gatherer
        self._manifests = manifests
        self._host = host
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._jobs: dict[str, WriteJob] = {}
        self._failed: dict[str, Exception] = {}
        self._changed = threading.Condition()
        self._to_gather: queue.SimpleQueue[WriteJob | None] = queue.SimpleQueue()
        self._to_upload: queue.SimpleQueue[WriteJob | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_UNGATHERED)
        self._closing = threading.Event()
        self._down: tuple[float, str] | None = None
        self._threads = [
            Rounds("store-gather", self._gather_next).start(),
            *(Rounds(f"store-upload-{i}", self._upload_next).start() for i in range(_UPLOADERS)),
        ]

    def admit(self, size: int, timeout: float | None) -> None:
        """Wait until `size` more bytes fit the budget and the gatherer keeps up (it holds the device's tensors).

        Raises StoreUnavailable when that takes longer than `timeout` seconds.
        """
        waited = self.budget.acquire(size, timeout=timeout, why=self.why_waiting)
        rest = None if timeout is None else max(0.0, timeout - waited)
        if not self._room.acquire(timeout=rest):
            self.budget.release(size)
            raise StoreUnavailable("Checkpoints are taken faster than they can be copied off the device.")

    def submit(self, job: WriteJob) -> None:
        """Take an admitted job."""
        with self._changed:
            self._jobs[job.checkpoint_id] = job
        self._to_gather.put(job)

    def pending(self, checkpoint_id: str) -> WriteJob | None:
        """The job if it is neither durable nor failed."""
        with self._changed:
            return self._jobs.get(checkpoint_id)

    def failure(self, checkpoint_id: str) -> Exception | None:
        """Why a checkpoint could not be stored."""
        return self._failed.get(checkpoint_id)

    def forgive(self, checkpoint_id: str) -> bool:
        """Forget that a checkpoint could not be stored, so that it can be put again; False if it had not failed."""
        with self._changed:
            return self._failed.pop(checkpoint_id, None) is not None

    def wait_idle(self, timeout: float | None) -> bool:
        """Wait until nothing is in flight."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, timeout)

    def status(self) -> dict[str, object]:
        """state "ok" | "storage_down" (with since, error), pending, failed and the budget's figures."""
        down = self._down
        with self._changed:
            counts: dict[str, object] = {"pending": len(self._jobs), "failed": len(self._failed)}
        health = {"state": "storage_down", "since": down[0], "error": down[1]} if down else {"state": "ok"}
        return health | counts | self.budget.state()

    def why_waiting(self) -> str:
        """One clause for people: why bytes do not leave."""
        down = self._down
        return (
            f"storage has not answered since {time.time() - down[0]:.0f} s ({down[1]})" if down else "storage is slow"
        )

    def close(self) -> None:
        """Stop the threads; what is in flight is abandoned."""
        self._closing.set()
        for thread in self._threads:
            thread.end(0)
        self._to_gather.put(None)
        for _ in range(_UPLOADERS):
            self._to_upload.put(None)
        for thread in self._threads:
            thread.end(10)

    def _gather_next(self) -> None:
        job = self._to_gather.get()
        if job is None or self._closing.is_set():
            return
        try:
            self._gather(job)
        except Exception as error:  # noqa: BLE001  (the job has failed, the next one need not)
            self._fail(job, error)
        else:
            self._to_upload.put(job)
        finally:
            self._room.release()

    def _gather(self, job: WriteJob) -> None:
        self._gatherer.gather(job)
        assert job.manifest is not None
        actual = job.manifest.bytes_new
        self.budget.adjust(actual - job.reserved)
        job.reserved = actual
        self._manifests.add(job.manifest)
        job.state = "gathered"
        job.gathered.set()

    def _upload_next(self) -> None:
        job = self._to_upload.get()
        if job is None or self._closing.is_set():
            return
        try:
            self._await_ancestors(job)
            self._upload_until_stored(job)
        except Exception as error:  # noqa: BLE001
            self._fail(job, error)
        else:
            self._succeed(job)

    def _await_ancestors(self, job: WriteJob) -> None:
        """Jobs start in order, so the files this one refers to are stored or being stored."""
        assert job.manifest is not None
        for needed in job.manifest.references() - {job.checkpoint_id}:
            ancestor = self.pending(needed)
            if ancestor is not None:
                ancestor.done.wait()
            if needed in self._failed:
                raise StoreError(f"{job.checkpoint_id} shares pieces with {needed}, which could not be stored.")

    def _upload_until_stored(self, job: WriteJob) -> None:
        def note(error: Exception) -> None:
            if self._down is None:
                self._down = time.time(), str(error)
                log.warning("storing %s: %s Trying again until it does.", job.checkpoint_id, error)

        pauses = doubling(_RETRY_FIRST_S, _RETRY_MOST_S)
        upload = partial(self._uploader.upload, job)
        retry(upload, on=(StoreUnavailable,), pauses=pauses, sleep=self._closing.wait, told=note)
        self._down = None

    def _sleep(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise StoreError("The store was closed while a checkpoint was being stored.")

    def _succeed(self, job: WriteJob) -> None:
        assert job.manifest is not None
        if job.delete_requested:
            self._manifests.forget(job.checkpoint_id)
        else:
            self._manifests.add(job.manifest)
        job.state = "durable"
        self._settle(job)
        self._tell(lambda: self._on_durable(job.checkpoint_id, job.bytes_stored))

    def _fail(self, job: WriteJob, error: Exception) -> None:
        log.error("checkpoint %s could not be stored: %s", job.checkpoint_id, error)
        job.error = error
        job.state = "failed"
        job.entries = ()
        for gone in {job.checkpoint_id} | (error.gone if isinstance(error, PiecesCollected) else set()):
            self._manifests.forget(gone)
            self._gatherer.distrust(gone)
        with self._changed:
            self._failed[job.checkpoint_id] = error
        self._settle(job)
        self._tell(lambda: self._on_failed(job.checkpoint_id, error))

    def _settle(self, job: WriteJob) -> None:
        self._host.unpin(job.buffers)
        job.buffers = {}
        self.budget.release(job.reserved)
        with self._changed:
            self._jobs.pop(job.checkpoint_id, None)
            self._changed.notify_all()
        job.gathered.set()
        job.done.set()

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            log.exception("a durability callback failed")
