"""A Rerun recording: all branches in one, on one timeline, so that they play together.

Each branch is an entity of its own (`/A`, `/B`, ...) with its video, its actions and its score. (Timelines of separate
recordings do not play together: https://github.com/rerun-io/rerun/issues/9766.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arc_fabric.errors import InvalidRequest
from arc_fabric.export.episode import Episode
from arc_fabric.extras import extra
from arc_fabric.media.video import encode


def write_rerun(path: Path, episodes: Sequence[Episode], *, fps: float, action_names: Sequence[str] = ()) -> Path:
    """Write a .rrd file, whole or not at all. Time is the video's, in seconds from the root of each branch; branches of
    one tree are in step. Raises InvalidRequest, MissingExtra."""
    if not episodes:
        raise InvalidRequest("There is no branch to export.")
    with extra("export"):
        import rerun as rr
    part = path.with_name(path.name + ".part")
    recording = rr.RecordingStream("arc_fabric", recording_id=path.stem)
    recording.save(part)
    for number, episode in enumerate(episodes):
        _log(rr, recording, f"/{letter(number)}", episode, fps, action_names)
    recording.flush()
    recording.disconnect()
    part.replace(path)
    return path


def letter(number: int) -> str:
    """A, B, ..., Z, AA, ...

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    rest, place = divmod(number, 26)
    return (letter(rest - 1) if rest else "") + chr(ord("A") + place)


def _log(rr: Any, recording: Any, entity: str, episode: Episode, fps: float, action_names: Sequence[str]) -> None:
    begun = episode.start.frame_index * episode.steps[0].n_frames / fps
    asset = rr.AssetVideo(contents=encode(episode.frames(), fps=fps, form="mp4"), media_type="video/mp4")
    recording.log(f"{entity}/video", asset, static=True)
    stamps = np.asarray(asset.read_frame_timestamps_nanos())
    times = rr.TimeColumn("video", duration=begun + stamps / 1e9)
    recording.send_columns(f"{entity}/video", [times], columns=rr.VideoFrameReference.columns_nanos(stamps))
    actions = episode.actions()
    names = [action_names[n] if n < len(action_names) else f"action_{n}" for n in range(actions.shape[1])]
    recording.log(f"{entity}/actions", rr.SeriesLines(names=names), static=True)
    seconds = rr.TimeColumn("video", duration=begun + np.arange(len(actions)) / fps)
    recording.send_columns(f"{entity}/actions", [seconds], columns=rr.Scalars.columns(scalars=actions))
    facts = {name: value for name, value in episode.facts().items() if value is not None}
    recording.log(entity, rr.AnyValues(**facts), static=True)
