"""Clips from frames: MP4 (H.264, a keyframe every 12 frames, index in front), GIF and WebP.

>>> import numpy as np
>>> clip = encode(iter(np.zeros((3, 32, 32, 3), np.uint8)), fps=8, form="mp4")
>>> clip[4:8]
b'ftyp'
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from arc_fabric.base.terms import CLIP_FORMS, ClipForm
from arc_fabric.errors import InvalidRequest

MIMETYPES: dict[ClipForm, str] = {"mp4": "video/mp4", "gif": "image/gif", "webp": "image/webp"}
GOP = 12
MAX_ANIMATION_PIXELS = 1 << 28
"""Of all frames of a GIF or WebP, which is put together in memory: 800 MB."""
_H264 = (
    *("-preset", "veryfast", "-crf", "18", "-sc_threshold", "0"),
    *("-threads", "1", "-movflags", "+faststart", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"),
)


def encode(frames: Iterable[np.ndarray], *, fps: float, form: ClipForm = "mp4") -> bytes:
    """uint8 [H, W, 3] frames, all of one size, -> a clip. ValueError without frames or for an unknown form,
    InvalidRequest for a GIF or WebP that would be too large."""
    first, frames = _peek(iter(frames))
    if form == "mp4":
        return _mp4(first, frames, fps)
    if form in CLIP_FORMS:
        return _animation(frames, fps, form)
    raise ValueError(f"form is one of {', '.join(CLIP_FORMS)}, not {form!r}")


def _peek(frames: Iterator[np.ndarray]) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    first = next(frames, None)
    if first is None:
        raise ValueError("a clip needs at least one frame")
    return first, chain((first,), frames)


class Mp4File:
    """An MP4 that is written frame by frame, uint8 [H, W, 3]; the index goes in front when it is closed."""

    def __init__(self, path: Path, size: tuple[int, int], *, fps: float, gop: int = GOP) -> None:
        """`size` is height and width."""
        self._path, self.count = path, 0
        self._writer = imageio_ffmpeg.write_frames(
            str(path),
            (size[1], size[0]),
            fps=fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            quality=None,
            macro_block_size=1,
            ffmpeg_log_level="error",
            output_params=[*_H264, "-g", str(gop), "-keyint_min", str(gop)],
        )
        self._writer.send(None)

    def add(self, frame: np.ndarray) -> None:
        """The next frame."""
        self._writer.send(np.ascontiguousarray(frame))
        self.count += 1

    def size(self) -> int:
        """Bytes written so far; the encoder holds some frames back."""
        return self._path.stat().st_size if self._path.exists() else 0

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def _mp4(first: np.ndarray, frames: Iterator[np.ndarray], fps: float) -> bytes:
    """Through a file: moving the index to the front needs one that can be rewritten."""
    height, width = first.shape[:2]
    with tempfile.TemporaryDirectory(prefix="arc-video-") as folder:
        path = Path(folder) / "clip.mp4"
        file = Mp4File(path, (height, width), fps=fps)
        try:
            for frame in frames:
                file.add(frame)
        finally:
            file.close()
        return path.read_bytes()


def _animation(frames: Iterator[np.ndarray], fps: float, form: ClipForm) -> bytes:
    images, left = list[Image.Image](), MAX_ANIMATION_PIXELS
    for frame in frames:
        left -= frame.shape[0] * frame.shape[1]
        if left < 0:
            raise InvalidRequest(
                f"a clip in {form} is put together in memory and has at most {MAX_ANIMATION_PIXELS} pixels in all",
                hint="Ask for an mp4, for fewer frames, or for smaller ones.",
            )
        images.append(Image.fromarray(frame))
    out = io.BytesIO()
    options = {"quality": 80, "method": 2} if form == "webp" else {"disposal": 1}
    images[0].save(
        out,
        form.upper(),
        save_all=True,
        append_images=images[1:],
        duration=max(round(1000 / fps), 20),
        loop=0,
        **options,
    )
    return out.getvalue()
