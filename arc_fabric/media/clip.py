"""A clip of a branch: which video frames of which steps, and the name under which it is kept.

>>> clip = plan(["ckp_root", "ckp_a", "ckp_b"], 8, 0, 5, fps=8, form="mp4")
>>> clip.key, len(clip), clip.path
('videos/ckp_a/0-5-8fps.mp4', 5, ('ckp_root', 'ckp_a'))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from arc_fabric.base.clip_keys import CLIPS
from arc_fabric.base.frames import first_frame_of, frame_count, step_of
from arc_fabric.base.terms import ClipForm
from arc_fabric.errors import DamagedSnapshot, FrameNotFound, InvalidRequest

MAX_FRAMES = 20_000
MAX_ANIMATION_FRAMES = 1_000
"""GIF and WebP are put together in memory."""


@dataclass(frozen=True)
class Clip:
    """Video frames `start` to `end` (exclusive) of the path, which ends with the step that holds the last of them."""

    path: tuple[str, ...]
    """Checkpoints from the root on."""
    per_step: int
    """Video frames that each of them but the root adds."""
    start: int
    end: int
    fps: float
    form: ClipForm

    @property
    def key(self) -> str:
        """Object key: equal keys hold equal clips, for every session that shares the path."""
        return f"{CLIPS}{self.path[-1]}/{self.start}-{self.end}-{self.fps:g}fps.{self.form}"

    def __len__(self) -> int:
        return self.end - self.start

    def frames(self, of_step: Callable[[str], np.ndarray], start: int, end: int) -> Iterator[np.ndarray]:
        """Video frames `start` to `end` of the path, uint8 [H, W, 3].

        `of_step` loads those of a checkpoint, [F, H, W, 3]; it is asked only for the steps that are needed, in order.
        Raises DamagedSnapshot where a checkpoint has not the frames that it should have.
        """
        size: tuple[int, ...] = ()
        for step in range(step_of(start, self.per_step), step_of(end - 1, self.per_step) + 1):
            first, frames = first_frame_of(step, self.per_step), of_step(self.path[step])
            size = size or frames.shape[1:]
            if frames.shape[1:] != size or len(frames) != (self.per_step if step else 1):
                raise DamagedSnapshot(
                    f"The stored frames of checkpoint {self.path[step]} are not those of its step.",
                    checkpoint_id=self.path[step],
                )
            yield from frames[max(start - first, 0) : end - first]


def whole(path: Sequence[str], per_step: int) -> Clip:
    """All frames of a path of any length, to look at some of them: no file of it is made."""
    return Clip(tuple(path), per_step, 0, frame_count(len(path) - 1, per_step), fps=1, form="mp4")


def check_range(start: int, end: int, total: int, *, of: str) -> None:
    """Raise FrameNotFound unless `of` has the frames from `start` to `end` (exclusive)."""
    if start < end <= total:
        return
    wrong, hint = f"there is no frame {start}", f"Ask for frames below {total}."
    if end <= start:
        wrong, hint = f"from {start} to {end} (exclusive) there is none", "Give a `to` above `from`."
    elif start < total:
        wrong, hint = f"the range ends at {end} (exclusive)", f"Give a `to` of at most {total}, or none."
    raise FrameNotFound(f"{of} has {total} video frames, 0 to {total - 1}: {wrong}", hint=hint, n_frames=total)


def plan(path: Sequence[str], per_step: int, start: int, end: int | None, *, fps: float, form: ClipForm) -> Clip:
    """Frames `start` to `end` (None: all there are) of a path of checkpoints from the root, each adding `per_step`.

    Raises FrameNotFound, InvalidRequest.
    """
    total = frame_count(len(path) - 1, per_step)
    end = total if end is None else end
    check_range(start, end, total, of="the branch")
    limit = MAX_FRAMES if form == "mp4" else MAX_ANIMATION_FRAMES
    if end - start > limit:
        raise InvalidRequest(
            f"a clip in {form} has at most {limit} frames, not {end - start}",
            hint="Ask for a part of it with from and to" + ("." if form == "mp4" else ", or for an mp4."),
            limit=limit,
        )
    return Clip(tuple(path[: step_of(end - 1, per_step) + 1]), per_step, start, end, fps, form)
