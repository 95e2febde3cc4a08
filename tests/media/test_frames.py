"""Frames survive the trip into bytes and back."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from arc_fabric.errors import DamagedSnapshot
from arc_fabric.media import frames as fr
from arc_fabric.media import png


@pytest.fixture
def step_frames() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (8, 12, 20, 3), dtype=np.uint8)


def test_strip_is_lossless(step_frames: np.ndarray) -> None:
    """A strip gives back the same pixels and the same number of frames, also for one frame."""
    for count in (1, 8):
        assert np.array_equal(fr.unpack_strip(fr.pack_strip(step_frames[:count])), step_frames[:count])


def test_png_is_lossless(step_frames: np.ndarray) -> None:
    """A single PNG frame gives back the same pixels."""
    assert np.array_equal(fr.decode_png(fr.encode_png(step_frames[0])), step_frames[0])


def test_plain_png_is_no_strip(step_frames: np.ndarray) -> None:
    """A PNG without the count is refused instead of being cut anyhow."""
    with pytest.raises(DamagedSnapshot, match="no frame strip"):
        fr.unpack_strip(fr.encode_png(step_frames[0]))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"garbage", b"GIF89a", png.encode(np.zeros((2, 2, 3), np.uint8), {"frames": "9" * 5000}),
        png.encode(np.zeros((2, 2, 3), np.uint8), {"frames": "-1"}),
        png.encode(np.zeros((2, 2, 3), np.uint8), {"frames": "3", "cameras": "0"}),
        png.encode(np.zeros((4, 4, 3), np.uint8), {"frames": "1"})[:-30],
        png.encode(np.zeros((1, 1, 3), np.uint8), {"frames": "1"}).replace(
            b"IHDR\0\0\0\1\0\0\0\1", b"IHDR\0\0\x20\0\0\0\x28\0"
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_what_a_stranger_s_bundle_may_hold_is_damage(data: bytes) -> None:
    """Whatever it is; a picture of 84 million pixels is not decoded (Pillow would, up to 179 million)."""
    tracemalloc.start()
    for read in (fr.unpack_strip, fr.unpack_views):
        with pytest.raises(DamagedSnapshot):
            read(data)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("bad", [np.zeros((8, 4, 4), np.uint8), np.zeros((1, 4, 4, 3), np.float32)])
def test_wrong_arrays_are_refused(bad: np.ndarray) -> None:
    """Only uint8 [F, H, W, 3] becomes a strip."""
    with pytest.raises(ValueError, match="uint8"):
        fr.pack_strip(bad)


def test_live_header_is_sixteen_bytes(step_frames: np.ndarray) -> None:
    """The header has the size and fields of the contract; the pane can be set without touching the rest."""
    jpeg = fr.encode_jpeg(step_frames[0])
    message = fr.set_pane(fr.pack_live(jpeg, number=70_000, time=12.5, last=True), 2)
    assert len(message) == 16 + len(jpeg)
    header, body = fr.unpack_live(message)
    assert header == fr.LiveHeader(pane=2, last=True, number=70_000, time=12.5)
    assert body == jpeg


def test_foreign_bytes_are_no_live_frame() -> None:
    """Short or foreign messages are refused."""
    for bad in (b"", b"\x01" * 15, b"\x02" * 40):
        with pytest.raises(ValueError, match="no live frame"):
            fr.unpack_live(bad)


def test_a_png_of_ours_is_read_by_others_with_its_text() -> None:
    """Any shape, also one row or one column, and every level: the same pixels, and the text chunks."""
    rng = np.random.default_rng(3)
    for shape in ((1, 1, 3), (1, 9, 3), (7, 1, 3), (33, 17, 3)):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        for level in (0, 1, 9):
            with Image.open(io.BytesIO(png.encode(pixels, {"frames": "4"}, level=level))) as image:
                image.verify()
            with Image.open(io.BytesIO(png.encode(pixels, {"frames": "4"}, level=level))) as image:
                assert image.text == {"frames": "4"}  # type: ignore[attr-defined]
                assert (np.asarray(image) == pixels).all()
