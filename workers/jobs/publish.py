"""A step's frames on their way to viewers: the strip that HTTP serves, and the live JPEGs."""

from __future__ import annotations

import time

import numpy as np

from arc_fabric.ledger import Ledger
from arc_fabric.media.frames import encode_jpeg, pack_live


def send_live(
    ledger: Ledger, session_id: str, frames: np.ndarray, first: int, *, kept: tuple[str, bytes] | None = None
) -> None:
    """Publish frames uint8 [F, H, W, 3], the first one being video frame `first` of the session, and keep their strip,
    `kept` = (checkpoint, PNG), unless that was done before."""
    ledger.frames.publish(session_id, [
        pack_live(encode_jpeg(frame), number=first + i, time=time.time(), last=i == len(frames) - 1)
        for i, frame in enumerate(frames)
    ], kept=kept)  # fmt: skip
