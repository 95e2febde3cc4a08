"""Frames, clips and small pictures: right content, cached, with ranges and ETags."""

from __future__ import annotations

import io
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from tests.api.conftest import Made


def test_mp4_is_h264_with_a_keyframe_every_twelve_frames(session: Made, tmp_path: Path) -> None:
    """The clip has all frames, its index in front, and decodes to what the frames are."""
    session.step(3)
    answer = session.web.http.get(f"{session.path}/video?fps=12")
    assert answer.headers["content-type"] == "video/mp4"
    data = answer.content
    assert data[4:8] == b"ftyp"
    assert data.index(b"moov") < data.index(b"mdat")
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    count, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == 25
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    assert meta["codec"] == "h264"
    assert meta["fps"] == 12
    first = np.frombuffer(next(reader), np.uint8).reshape(meta["size"][1], meta["size"][0], 3)
    shown = np.asarray(Image.open(io.BytesIO(session.web.http.get(f"{session.path}/frames/0").content)))
    assert np.abs(_blocks(first) - _blocks(shown)).mean() < 6


def _blocks(image: np.ndarray) -> np.ndarray:
    """Brightness of 8 x 8 blocks: what survives chroma subsampling of noise."""
    height, width = image.shape[:2]
    return image.astype(float).mean(2).reshape(height // 8, 8, width // 8, 8).mean((1, 3))


def test_video_ranges_etags_and_cache(session: Made) -> None:
    """Range gives a part (206), If-None-Match nothing (304); the clip is kept in the object store."""
    session.step()
    http = session.web.http
    whole = http.get(f"{session.path}/video")
    part = http.get(f"{session.path}/video", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert http.get(f"{session.path}/video", headers={"Range": "bytes=99999999-"}).status_code == 416
    again = http.get(f"{session.path}/video", headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    head = session.now()["head"]
    assert http.get(f"/api/checkpoints/{head}/video").content == whole.content
    session.step()
    assert http.get(f"{session.path}/video").headers["etag"] != whole.headers["etag"]


def test_a_long_clip_is_made_by_a_job(session: Made) -> None:
    """202 with one job however often one asks; then the same address serves it; short ones come at once."""
    session.step(9)
    http = session.web.http
    address = f"{session.path}/video?fps=9"
    first, second = http.get(address), http.get(address)
    assert (first.status_code, second.status_code) == (202, 202)
    job = first.json()["job"]
    assert second.json()["job"]["id"] == job["id"]
    assert first.headers["location"] == f"/api/jobs/{job['id']}"
    assert (job["kind"], job["session_id"], job["progress"]["total"]) == ("video", session.id, 73)
    done = session.web.ok("GET", f"{first.headers['location']}?wait=30")
    assert (done["state"], done["progress"], done["worker"]) == ("succeeded", {"done": 73, "total": 73}, "media")
    whole = http.get(address)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert done["result"]["bytes"] == len(whole.content)
    assert http.get(done["result"]["href"]).content == whole.content
    part = http.get(address, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert http.get(address, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    listed = session.web.ok("GET", f"/api/jobs?session={session.id}&kind=video")["items"]
    assert [item["id"] for item in listed] == [job["id"]]
    assert session.now()["queued"] == 0
    assert http.get(f"{session.path}/video?fps=9&to=60").status_code == 200


def test_a_long_clip_in_one_request_and_as_a_form(session: Made) -> None:
    """?wait= answers with the clip; POST /api/jobs makes one of any length, also after the session was closed."""
    session.step(9)
    head = session.now()["head"]
    answer = session.web.http.get(f"{session.path}/video?fps=10&wait=30")
    assert (answer.status_code, answer.content[4:8]) == (200, b"ftyp")
    session.web.http.delete(session.path)
    form = {"kind": "video", "params": {"checkpoint_id": head, "from": 3, "to": 9, "format": "gif"}}
    job = session.web.ok("POST", "/api/jobs?wait=30", json=form)["job"]
    assert job["state"] == "succeeded"
    assert session.web.http.get(job["result"]["href"]).content[:3] == b"GIF"


def test_clips_have_a_greatest_length(session: Made) -> None:
    """Refused before anything is made: animations are put together in memory."""
    problem = session.web.problem(404, "GET", f"{session.path}/video?to=999")
    assert problem["code"] == "FrameNotFound"


@pytest.mark.parametrize(("form", "kind"), [("gif", "GIF"), ("webp", "WEBP")])
def test_animations(session: Made, form: str, kind: str) -> None:
    """GIF and WebP of a part of the branch."""
    session.step()
    answer = session.web.http.get(f"{session.path}/video?format={form}&from=2&to=7")
    image = Image.open(io.BytesIO(answer.content))
    assert image.format == kind
    assert image.n_frames == 5


def test_sprite_and_thumbnail(session: Made) -> None:
    """A grid of thumbnails, and one of a checkpoint."""
    session.step(2)
    sprite = session.web.http.get(f"{session.path}/sprite?every=4&width=16&columns=3")
    assert '"count": 5' in sprite.headers["x-sprite"]
    assert Image.open(io.BytesIO(sprite.content)).size == (48, 32)
    thumbnail = session.web.http.get(f"/api/checkpoints/{session.now()['head']}/thumbnail?width=20")
    assert Image.open(io.BytesIO(thumbnail.content)).size == (20, 20)


def test_frames_of_a_checkpoint_are_immutable(session: Made) -> None:
    """Long caching where the address names the checkpoint; asking again where it names a session."""
    session.step()
    head = session.now()["head"]
    strip = session.web.http.get(f"/api/checkpoints/{head}/frames")
    assert "immutable" in strip.headers["cache-control"]
    one = session.web.http.get(f"/api/checkpoints/{head}/frames/3")
    same = session.web.http.get(f"{session.path}/frames/4")
    assert one.content == same.content
    assert one.headers["etag"] == same.headers["etag"]
    assert "no-cache" in same.headers["cache-control"]
    stale = session.web.http.get(f"{session.path}/frames/4", headers={"If-None-Match": same.headers["etag"]})
    assert stale.status_code == 304
