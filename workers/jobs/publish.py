"""A step's frames on their way to viewers: the strip that HTTP serves, and the live JPEGs."""

from __future__ import annotations

import time

import numpy as np

from arc_fabric.base.frames import first_frame_of
from arc_fabric.base.threads import told
from arc_fabric.ledger import Ledger
from arc_fabric.media.frames import encode_jpeg, pack_live
from workers.jobs.run import JobRun


def send_live(
    ledger: Ledger, session_id: str, frames: np.ndarray, first: int, *, kept: tuple[str, bytes] | None = None,
    ends: bool = True,
) -> None:  # fmt: skip
    """Publish frames uint8 [F, H, W, 3], the first one being video frame `first` of the session, and keep their strip,
    `kept` = (checkpoint, PNG), unless that was done before. `ends`: the last of them is its step's last."""
    ledger.frames.publish(session_id, [
        pack_live(encode_jpeg(frame), number=first + i, time=time.time(), last=ends and i == len(frames) - 1)
        for i, frame in enumerate(frames)
    ], kept=kept)  # fmt: skip


class EarlyFrames:
    """What a model that streams shows of one step, live before it is done. Encoded in the thread beside the model.

    Nobody keeps it: where the step is not committed its pictures go with its job, as those of any step that was shown
    and refused. Steps of bulk jobs, which nobody watches closely, are shown when they are committed.
    """

    def __init__(self, run: JobRun, frame_index: int, frames_per_step: int) -> None:
        """Of the step that will have this `frame_index`."""
        self.count = 0
        """Frames shown."""
        self._run, self._first = run, first_frame_of(frame_index, frames_per_step)
        self._dropped = False

    def __call__(self, frames: np.ndarray, at: int) -> None:
        """Frames uint8 [F, H, W, 3] of the step, from its frame `at` on."""
        if not self._run.job.bulk:
            self.count = at + len(frames)
            told(self._run.process.side, self._send, frames, self._first + at)

    def drop(self) -> None:
        """The step came to nothing: what waits to be shown is not."""
        self._dropped = True

    def _send(self, frames: np.ndarray, first: int) -> None:
        if not self._dropped:
            send_live(self._run.process.ledger, self._run.session.id, frames, first, ends=False)
