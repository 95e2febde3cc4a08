"""Uploads, damaged in every way: an image or InvalidImage, never another error, a bomb or a held thread."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import struct
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from arc_fabric.errors import InvalidImage
from arc_fabric.media.frames import decode_png
from tests.support.web_server import WebServer
from webapp.http import limits
from webapp.work.uploads import read_base64, read_image


def picture(form: str, size: tuple[int, int] = (48, 32)) -> bytes:
    """An image file."""
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_good_images_become_png_of_the_same_size(form: str) -> None:
    """All three formats."""
    upload = read_image(picture(form))
    assert (upload.width, upload.height) == (48, 32)
    assert decode_png(upload.png).shape == (32, 48, 3)


def test_lossless_images_keep_their_pixels() -> None:
    """A PNG comes out with the pixels it went in with; a data URL is fine."""
    data = picture("PNG")
    upload = read_base64("data:image/png;base64," + base64.b64encode(data).decode())
    assert np.array_equal(decode_png(upload.png), decode_png(data))


def test_turned_photographs_stand_upright() -> None:
    """EXIF orientation is obeyed."""
    image = Image.effect_noise((40, 20), 60).convert("RGB")
    exif = image.getexif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    assert (read_image(out.getvalue()).width, read_image(out.getvalue()).height) == (20, 40)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_damaged_images_never_raise_anything_else(form: str) -> None:
    """Cut, overwritten, shuffled: 200 ways per format."""
    rng = np.random.default_rng(7)
    good = np.frombuffer(picture(form), np.uint8)
    for _ in range(200):
        data = good.copy()
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        data = data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.4 else data
        try:
            read_image(data.tobytes())
        except InvalidImage as error:
            assert error.what_to_do


def test_a_bomb_costs_no_memory() -> None:
    """A file that says 30,000 x 30,000 is refused from its header."""
    data = bytearray(picture("PNG"))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    tracemalloc.start()
    with pytest.raises(InvalidImage):
        read_image(bytes(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_broken_uploads_leave_nothing_behind(web: WebServer) -> None:
    """Half-closed, reset, of a false length, badly chunked: refused or dropped, and no thread or request stays."""
    web.wait_idle(before := web.busy()[0])
    host, port = web.url.removeprefix("http://").split(":")
    head = f"POST /api/sessions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    endings = (
        "Content-Length: 500\r\n\r\n{",
        "Content-Length: 99999999999\r\n\r\n{",
        "Content-Length: -1\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{",
        "Transfer-Encoding: chunked\r\n\r\nffffff\r\n{",
        "Content-Length: 2\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--",
    )
    for number in range(4 * len(endings)):
        with socket.create_connection((host, int(port)), timeout=30) as sock:
            sock.sendall((head + endings[number % len(endings)]).encode())
            if number % 4 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
            else:
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    answer = sock.recv(4096)
                    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    web.wait_idle(before)
    assert "Traceback" not in web.web.log_tail(200)


@pytest.mark.slow
def test_a_trickle_of_a_body_is_cut_off(web: WebServer) -> None:
    """A client that sends one byte a second gets 408 (or is cut off) after BODY_SECONDS, and its thread is free."""
    host, port = web.url.removeprefix("http://").split(":")
    deadline = time.monotonic() + limits.BODY_SECONDS + 60
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        head = f"POST /api/sessions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        sock.sendall((head + "Content-Length: 5000\r\n\r\n{").encode())
        answer = b""
        try:
            while True:
                assert time.monotonic() < deadline, "still reading"
                sock.sendall(b" ")
                sock.settimeout(1.0)
                try:
                    answer = sock.recv(100)
                    break
                except TimeoutError:
                    continue
        except OSError:
            pass
    assert not answer or answer.startswith(b"HTTP/1.1 408")
    assert web.http.get("/healthz").status_code == 200


def test_a_preview_shows_how_a_picture_is_read(web: WebServer) -> None:
    """PNG of at most 512 pixels, the picture's own size in a header; what is no picture is refused."""
    data = io.BytesIO()
    Image.new("RGB", (1000, 500), (200, 10, 10)).save(data, "JPEG")
    answer = web.http.post("/api/pictures/preview", json={"picture": base64.b64encode(data.getvalue()).decode()})
    assert answer.status_code == 200
    assert answer.headers["X-Picture-Size"] == "1000x500"
    shown = Image.open(io.BytesIO(answer.content))
    assert (shown.format, shown.mode, shown.size) == ("PNG", "RGB", (512, 256))
    bad = base64.b64encode(b"no picture at all, " * 4).decode()
    assert web.problem(422, "POST", "/api/pictures/preview", json={"picture": bad})["code"] == "InvalidImage"
