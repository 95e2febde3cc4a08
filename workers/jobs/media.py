"""Media jobs in the media worker: clips that are too long to be made while a client waits.

A clip is named by what is in it, so making one twice (a worker died, a ticket came again) writes the same object.
Nothing of a half-made clip is visible: it is stored whole, then the job succeeds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import numpy as np

from arc_fabric.errors import ArcFabricError, JobNotFound, ServiceError
from arc_fabric.ledger import JobRecord
from arc_fabric.ledger.execution import ATTEMPTS
from arc_fabric.media.clip import Clip, plan
from arc_fabric.media.video import encode
from arc_fabric.store.backends import Backend
from arc_fabric.store.read.reader import SnapshotReader
from workers.jobs.step_frames import StepFrames
from workers.process.process import WorkerProcess, fenced
from workers.process.retry import through_outages, through_store_outages

log = logging.getLogger(__name__)
_TELL_EVERY_S = 0.5


class Interrupted(Exception):
    """The job was cancelled or given back in the middle."""


class MediaJobs:
    """What the task thread of a media worker does with a ticket."""

    def __init__(self, process: WorkerProcess, backend: Backend) -> None:
        self._process, self._backend = process, backend
        self._step_frames = StepFrames(process.ledger, SnapshotReader(backend))

    def run(self, job_id: str) -> str | None:
        """Work on a ticket until its job is over, taken by another worker, or given back because we are to end; the
        state in which the job is then, None where nobody knows it any more."""
        process = self._process
        outcome, job = through_outages(
            lambda: process.ledger.media.claim(process.name, process.boot_id, job_id, ATTEMPTS)
        )
        if outcome == "fenced":
            fenced(process)
        if job is None:
            return self._state(job_id)
        process.current_session, process.current_job = job.session_id, job.id
        try:
            self._attempt(job)
        finally:
            process.current_job = process.current_session = process.step_began = None
        return self._state(job_id)

    def _state(self, job_id: str) -> str | None:
        try:
            return self._process.ledger.jobs.get(job_id).state
        except JobNotFound:
            return None

    def _attempt(self, job: JobRecord) -> None:
        begun = time.monotonic()
        try:
            result = self._make(job)
        except Interrupted:
            return
        except Exception as error:
            log.warning("job %s failed: %s", job.id, error, exc_info=not isinstance(error, ArcFabricError))
            told = error if isinstance(error, ArcFabricError) else ServiceError(f"{type(error).__name__}: {error}")
            self._end(job, "failed", error=told.to_dict())
            return
        self._end(job, "succeeded", result=result, timings={"make_s": round(time.monotonic() - begun, 6)})

    def _make(self, job: JobRecord) -> dict[str, object]:
        """Make and store the clip; what the job's record says of it."""
        wanted = job.params
        nodes, end = self._process.ledger.nodes, wanted["checkpoint_id"]
        path, per_step = nodes.path(end)[::-1], nodes.get(end).n_frames
        clip = plan(path, per_step, wanted["from"], wanted["to"], fps=wanted["fps"], form=wanted["format"])
        if self._backend.exists(clip.key):
            size = self._backend.stat(clip.key).size
        else:
            data = encode(self._frames(job, clip), fps=clip.fps, form=clip.form)
            through_store_outages(lambda: self._backend.put(clip.key, data))
            size = len(data)
        query = f"from={clip.start}&to={clip.end}&fps={clip.fps:g}&format={clip.form}"
        href = f"/api/checkpoints/{wanted['checkpoint_id']}/video?{query}"
        return {"href": href, "bytes": size, "frames": len(clip)}

    def _frames(self, job: JobRecord, clip: Clip) -> Iterator[np.ndarray]:
        """The clip's frames, telling how far they are; Interrupted when nobody wants them any more."""
        told = time.monotonic()
        for number, frame in enumerate(clip.frames(self._step_frames.frames, clip.start, clip.end)):
            self._process.step_began = now = time.monotonic()  # the watchdog ends a process that stands still
            if self._process.stopping.is_set():
                self._give_back(job)
            if now - told > _TELL_EVERY_S:
                told = now
                if not self._commit(job, number):
                    raise Interrupted
            yield frame

    def _give_back(self, job: JobRecord) -> None:
        """This process is to end: the next one makes the clip, from its beginning."""
        if self._commit(job, 0, final="queued"):
            self._process.dispatcher.send(self._process.ledger.jobs.get(job.id))
        raise Interrupted

    def _end(self, job: JobRecord, final: str, **told: object) -> None:
        total = int(job.progress["total"])
        self._commit(job, total if final == "succeeded" else 0, final=final, **told)

    def _commit(self, job: JobRecord, done: int, **told: object) -> bool:
        process = self._process
        return through_outages(
            lambda: process.ledger.media.commit(process.name, process.boot_id, job.id, done, **told)  # type: ignore[arg-type]
        )
