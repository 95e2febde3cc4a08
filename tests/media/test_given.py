"""Pictures that others made: what a file means is what is read, in eight bits and on white."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_fabric.errors import InvalidImage
from arc_fabric.media import given


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """An image file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def raw_png(pixels: np.ndarray, colour: int) -> bytes:
    """A PNG of 16 bits per channel; colour type 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_become_eight_by_scale(colour: int, channels: int) -> None:
    """Black to white over all values; grey ones beyond 255 were white before."""
    ramp = np.linspace(0, 65_535, 64).astype(np.uint16)
    pixels = np.repeat(ramp[None, :, None], channels, axis=2)
    if colour in (4, 6):
        pixels[..., -1] = 65_535
    read = given.read(raw_png(pixels, colour))
    assert read.shape == (1, 64, 3)
    assert np.abs(read[0, :, 0].astype(int) - np.round(ramp / 257)).max() <= 1
    assert (read == read[..., :1]).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_what_is_transparent_is_laid_on_white(mode: str) -> None:
    """Left half clear, right half black: clear is white, whatever colour lies beneath; it was that colour before."""
    if mode in ("RGBA", "LA"):
        image = Image.new(mode, (8, 4), 0)
        image.paste(Image.new(mode, (4, 4), (0, 255) if mode == "LA" else (0, 0, 0, 255)), (4, 0))  # type: ignore[arg-type]
        data = saved(image)
    else:
        image = Image.new(mode, (8, 4), 3)
        image.paste(1, (4, 0, 8, 4))
        if mode == "P":
            image.putpalette([0, 0, 0] * 3 + [200, 0, 0])
        data = saved(image, transparency=3)
    pixels = given.read(data)
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] <= 1).all()


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    """As a browser shows them on a white page."""
    pixels = given.read(saved(Image.new("RGBA", (2, 2), (255, 0, 0, 128))))
    assert np.abs(pixels.astype(int) - [255, 127, 127]).max() <= 1


def test_sizes_come_from_the_header_and_upright() -> None:
    """A photograph on its side has the size that it is read with."""
    exif = Image.new("RGB", (1, 1)).getexif()
    exif[0x0112] = 6
    data = saved(Image.new("RGB", (40, 20)), "JPEG", exif=exif)
    assert given.size_of(data) == (20, 40)
    assert given.read(data).shape == (40, 20, 3)


def test_what_is_too_large_or_no_picture_is_refused_unread() -> None:
    """By its header; so is what Pillow could open but nobody should send."""
    bomb = raw_png(np.zeros((1, 1, 3), np.uint16), 2).replace(struct.pack(">II", 1, 1), struct.pack(">II", 4097, 1), 1)
    for data in (bomb, b"", b"GIF89a", saved(Image.new("RGB", (2, 2)), "BMP")):
        with pytest.raises(InvalidImage):
            given.size_of(data)
        with pytest.raises(InvalidImage):
            given.read(data)


def test_a_world_reads_files_the_same_way(tmp_path: Path) -> None:
    """The SDK's pictures go through here, too."""
    from arc_fabric.world import World

    (tmp_path / "clear.png").write_bytes(saved(Image.new("RGBA", (6, 6), (0, 0, 0, 0))))
    (tmp_path / "none.png").write_bytes(b"nonsense")
    bare = World.__new__(World)
    bare.samples = dict  # type: ignore[method-assign]
    assert (bare._picture(str(tmp_path / "clear.png")) == 255).all()
    with pytest.raises(InvalidImage):
        bare._picture(str(tmp_path / "none.png"))
