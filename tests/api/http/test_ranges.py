"""Parts of clips: right bytes, right status, and of the object store no more than was asked for (RFC 9110)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest

from arc_fabric.store.backends import backend_from_settings
from tests.api.conftest import Made
from tests.support.relay import Relay
from tests.support.waiting import eventually
from tests.support.web_server import WebServer

SIZE = 6_000_001
HEADERS = 200_000
"""More than the object store says around the bytes of one answer."""


class Clip(NamedTuple):
    """A long clip behind a web server whose object store is reached through a relay."""

    server: WebServer
    head: str
    data: bytes
    relay: Relay

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"/api/checkpoints/{self.head}/video?fps=8"

    def get(self, **headers: str) -> tuple[httpx.Response, int]:
        """The answer, and how many bytes the web server read from the object store for it."""
        before = self.relay.received
        answer = self.server.http.get(
            self.path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        return answer, self.relay.received - before


@pytest.fixture(scope="module")
def relayed(web_server: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebServer, Relay]]:
    """A second web app on the same data, with the relay before its object store."""
    relay = Relay(web_server.settings.s3_endpoint)
    chosen = web_server.settings.replaced(s3_endpoint=relay.endpoint, data_dir=tmp_path_factory.mktemp("relayed"))
    server = WebServer(chosen, worker=False).start()
    yield server, relay
    server.stop()
    relay.close()


@pytest.fixture(scope="module")
def clip(web_server: WebServer, picture: str, relayed: tuple[WebServer, Relay]) -> Clip:
    """Bytes that are easily told apart, kept where the clip of a session's whole branch is kept."""
    session = Made(web_server, picture)
    session.step()
    head = session.now()["head"]
    data = np.random.default_rng(3).bytes(SIZE)
    backend_from_settings(session.web.settings).put(f"videos/{head}/0-9-8fps.mp4", data)
    server, relay = relayed
    session.close()
    return Clip(server, head, data, relay)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=1048570-1048590", 1048570, 1048590),
        ("bytes=5999000-", 5_999_000, SIZE - 1), ("bytes=5999000-99999999", 5_999_000, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1), ("bytes=-1000", SIZE - 1000, SIZE - 1), ("Bytes = 3-4", 3, 4),
        ("bytes=1000000-3999999", 1_000_000, 3_999_999), ("bytes=-99999999", 0, SIZE - 1), ("bytes=0-", 0, SIZE - 1),
    ],
)  # fmt: skip
def test_a_part_is_sent_and_no_more_is_read(clip: Clip, asked: str, first: int, last: int) -> None:
    """206 with exactly these bytes; the object store sent them and hardly more."""
    answer, read = clip.get(Range=asked)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.content == clip.data[first : last + 1]
    assert last - first + 1 <= read <= last - first + 1 + HEADERS


@pytest.mark.parametrize("asked", ["bytes=6000001-", "bytes=99999999-100000000", "bytes=-0", "bytes=9-5", "bytes=x-y"])
def test_a_part_that_is_not_there(clip: Clip, asked: str) -> None:
    """416 with the size, as a problem; no byte is read."""
    answer, read = clip.get(Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.json()["code"] == "RequestedRangeNotSatisfiable"
    assert read < HEADERS


@pytest.mark.parametrize("asked", ["frames=0-9", "bytes=0-1,4-5", "bytes=4-5,0-1", "lines", ""])
def test_what_is_no_single_range_of_bytes_gets_the_whole(clip: Clip, asked: str) -> None:
    """200: other units must be ignored, several ranges may be."""
    answer, _ = clip.get(Range=asked)
    assert answer.status_code == 200
    assert answer.content == clip.data
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-range" not in answer.headers


def test_if_range_keeps_parts_of_one_version_together(clip: Clip) -> None:
    """The part for the present ETag; the whole for another one, a weak one or a date."""
    etag = clip.server.http.head(clip.path).headers["etag"]
    answer, read = clip.get(Range="bytes=5-9", If_Range=etag)
    assert (answer.status_code, answer.content) == (206, clip.data[5:10])
    assert read < HEADERS
    for other in ('"other"', f"W/{etag}", etag.strip('"'), "Wed, 21 Oct 2026 07:28:00 GMT"):
        answer, _ = clip.get(Range="bytes=5-9", If_Range=other)
        assert (answer.status_code, len(answer.content)) == (200, SIZE), other


def test_preconditions_come_before_ranges(clip: Clip) -> None:
    """If-None-Match of the present version is 304 whatever the range, If-Match of another one 412; neither reads."""
    etag = clip.server.http.head(clip.path).headers["etag"]
    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=99999999-"}):
        answer, read = clip.get(If_None_Match=etag, **headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        answer, more = clip.get(If_Match='"other"', **headers)
        assert (answer.status_code, answer.json()["code"]) == (412, "PreconditionFailed")
        assert read + more < HEADERS
    assert clip.get(If_None_Match='"other"', Range="bytes=0-9")[0].status_code == 206
    assert clip.get(If_Match=etag, Range="bytes=0-9")[0].status_code == 206


def test_head_tells_the_size_and_reads_nothing(clip: Clip) -> None:
    """HEAD has the headers of the whole file; a range is of GET only."""
    before = clip.relay.received
    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = clip.server.http.head(clip.path, headers=headers)
        assert answer.status_code == 200
        assert (answer.headers["content-length"], answer.headers["accept-ranges"]) == (str(SIZE), "bytes")
    assert clip.relay.received - before < HEADERS


def test_a_reader_that_goes_away_stops_the_reading(clip: Clip) -> None:
    """Of a large clip whose reader leaves after its first bytes, the object store sends what sockets hold, not all."""
    size = 40_000_000
    backend_from_settings(clip.server.settings).put(f"videos/{clip.head}/0-9-9fps.mp4", bytes(size))
    before = clip.relay.received
    with clip.server.http.stream("GET", clip.path.replace("fps=8", "fps=9")) as answer:
        assert answer.headers["content-length"] == str(size)
        assert next(answer.iter_raw(1000)) == bytes(1000)
    eventually(lambda: clip.server.busy()[1] == 0, what="the request has ended")
    assert clip.relay.received - before < size / 2


def test_small_files_answer_parts_too(session: Made) -> None:
    """Frames and samples: 206, 416, and 304 before either."""
    session.step()
    http, path = session.web.http, f"{session.path}/frames/3"
    whole = http.get(path)
    part = http.get(path, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["etag"]) == (206, b"PNG", whole.headers["etag"])
    assert http.get(path, headers={"Range": "bytes=99999999-"}).headers["content-range"] == (
        f"bytes */{len(whole.content)}"
    )
    same = {"If-None-Match": whole.headers["etag"], "Range": "bytes=1-3"}
    assert http.get(path, headers=same).status_code == 304


def test_parts_make_up_a_real_clip(session: Made, tmp_path: Path) -> None:
    """A clip made by the media worker, read back in odd pieces, is the clip."""
    session.step(9)
    http: Any = session.web.http
    path = f"{session.path}/video?fps=11&wait=30"
    whole = http.get(path).content
    pieces = [http.get(path, headers={"Range": f"bytes={at}-{at + 4999}"}).content for at in range(0, len(whole), 5000)]
    assert b"".join(pieces) == whole
    assert whole[4:8] == b"ftyp"
