"""What becomes of a job that raised: its record says why, and a device that fails again and again ends the process."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import torch

from arc_fabric.errors import ArcFabricError, ModelError, ModelOutOfMemory, ModelUnavailable
from workers.jobs.run import JobRun
from workers.process.process import WorkerProcess

log = logging.getLogger(__name__)
DEVICE_ERRORS_TO_DRAIN = 3


class Failures:
    """Failed jobs of one process. Belongs to the task thread."""

    def __init__(self, process: WorkerProcess) -> None:
        self._process = process
        self._device_errors = 0

    def none(self) -> None:
        """A job ran without one."""
        self._device_errors = 0

    def note(self, run: JobRun, error: Exception) -> None:
        """End a job with its error. Raises NotOurs where it was not ours to end."""
        run.runtime.drop(run.session.id)
        if is_device_error(error):
            self._device_errors += 1
            if self._device_errors >= DEVICE_ERRORS_TO_DRAIN:
                self._process.drain(f"{self._device_errors} device errors in a row")
        exc_info = None if isinstance(error, ArcFabricError) else error
        log.warning("job %s failed: %s", run.job.id, error, exc_info=exc_info)
        run.commit(final="failed", error=error_fields(error))


def is_device_error(error: Exception) -> bool:
    """Whether the device, not the request, is to blame; or a process of a model over several is gone."""
    if isinstance(error, (ModelOutOfMemory, ModelUnavailable, torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)


def error_fields(error: Exception) -> dict[str, object]:
    """The `error` of a job record."""
    if isinstance(error, ArcFabricError):
        return error.to_dict()
    told = ModelError(
        f"{type(error).__name__}: {error}",
        hint="The session is at its last committed checkpoint; try again, or rewind and change the inputs. "
        f"The worker's log has the traceback{_place(error)}.",
        exception=type(error).__name__,
    )
    return told.to_dict()


def _place(error: Exception) -> str:
    """Where it was raised, in few words: of a model from elsewhere that is what its author looks for."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
