"""Clips, thumbnails and distances."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from arc_fabric.base.terms import ClipForm
from arc_fabric.errors import FrameNotFound, InvalidRequest
from arc_fabric.media import clip as clips
from arc_fabric.media import series, sprites, video


@pytest.fixture
def clip() -> np.ndarray:
    """30 frames of a moving square, of odd size."""
    made = np.full((30, 33, 47, 3), 90, np.uint8)
    for number, frame in enumerate(made):
        frame[10:20, number : number + 10] = (220, 40, 40)
    return made


def test_keyframes_come_every_twelve_frames(clip: np.ndarray, tmp_path: Path) -> None:
    """So that a random seek decodes at most twelve; odd sizes are padded to even ones."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(video.encode(iter(clip), fps=8))
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-skip_frame",
        "nokey",
        "-i",
        str(path),
        "-fps_mode",
        "passthrough",
        "-f",
        "null",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.findall(r"frame=\s*(\d+)", done.stderr)[-1] == "3"
    assert "48x34" in done.stderr


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_animations_have_all_frames(clip: np.ndarray, form: ClipForm) -> None:
    """GIF and WebP keep size, number and pace."""
    image = Image.open(io.BytesIO(video.encode(iter(clip), fps=10, form=form)))
    assert image.size == (47, 33)
    assert image.n_frames == 30


def test_nothing_is_no_clip() -> None:
    """No frames, or an unknown form, is an error and leaves no process."""
    with pytest.raises(ValueError, match="at least one"):
        video.encode(iter(()), fps=8)
    with pytest.raises(ValueError, match="avi"):
        video.encode(iter(np.zeros((1, 8, 8, 3), np.uint8)), fps=8, form="avi")  # type: ignore[arg-type]


def test_distances(clip: np.ndarray) -> None:
    """Zero for equal frames, and only whole bits count as equal."""
    assert series.frame_distances(clip, clip) == [0.0] * 30
    assert series.frame_distances(clip[:5], clip[1:6])[0] > 0
    assert series.same_bits(np.array([np.nan]), np.array([np.nan]))
    assert not series.same_bits(np.zeros(1), -np.zeros(1))
    with pytest.raises(ValueError, match="compared"):
        series.rms(np.zeros(2), np.zeros(3))


def test_sprites_fill_rows(clip: np.ndarray) -> None:
    """Thumbnails stand in order, the rest is black."""
    sheet, (width, height) = sprites.sprite(list(clip[:5]), width=20, columns=4)
    assert sheet.shape == (2 * height, 4 * width, 3)
    assert sheet[height:, width:].sum() == 0
    assert np.array_equal(sheet[:height, :width], sprites.thumbnail(clip[0], 20))


def test_a_clip_asks_only_for_the_steps_it_needs() -> None:
    """A part of a path loads what holds it; too much is refused before anything is loaded."""
    path = ["root", *(f"s{i}" for i in range(1, 5))]
    loaded = []

    def of_step(name: str) -> np.ndarray:
        loaded.append(name)
        start = 0 if name == "root" else 8 * int(name[1:]) - 7
        count = 1 if name == "root" else 8
        return np.arange(start, start + count).reshape(-1, 1, 1, 1)

    part = clips.plan(path, 8, 5, 12, fps=8, form="mp4")
    assert [int(frame[0, 0, 0]) for frame in part.frames(of_step, part.start, part.end)] == list(range(5, 12))
    assert loaded == ["s1", "s2"]
    assert part.key == "videos/s2/5-12-8fps.mp4"
    wrong = {(33, None): "33", (40, 50): "there is no frame 40", (4, 4): "there is none", (0, 34): "ends at 34"}
    for (start, end), words in wrong.items():
        with pytest.raises(FrameNotFound, match="33 video frames, 0 to 32: .*" + words):
            clips.plan(path, 8, start, end, fps=8, form="mp4")
    long = ["root", *(f"s{i}" for i in range(1, 200))]
    assert len(clips.plan(long, 8, 0, None, fps=8, form="mp4")) == 1593
    with pytest.raises(InvalidRequest, match="1000"):
        clips.plan(long, 8, 0, None, fps=8, form="gif")
    deep = ["root", *(f"s{i}" for i in range(1, 5001))]
    with pytest.raises(InvalidRequest, match="20000"):
        clips.plan(deep, 8, 0, None, fps=8, form="mp4")
    everything = clips.whole(deep, 8)
    assert (len(everything), everything.path[-1]) == (40_001, "s5000"), "to look at some of them there is no limit"
    assert [int(frame[0, 0, 0]) for frame in everything.frames(of_step, 40_000, 40_001)] == [40_000]


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_an_animation_is_bounded_by_its_pixels(form: ClipForm) -> None:
    """It is put together in memory: a grid of one long branch, 640 pixels wide, took ten gigabytes."""
    frame, given = np.zeros((4000, 4000, 3), np.uint8), []

    def frames() -> Iterator[np.ndarray]:
        for _ in range(1000):
            given.append(1)
            yield frame

    with pytest.raises(InvalidRequest, match="in memory"):
        video.encode(frames(), fps=8, form=form)
    assert len(given) < 20
