"""Heavy answers come one at a time; who may only look cannot fill the queue of those who work."""

from __future__ import annotations

import threading
import time

import pytest

from arc_fabric.errors import RateLimited
from arc_fabric.ledger.core import keys
from tests.api.conftest import Made
from tests.api.http.test_security import READER, WRITER, bearer
from tests.support.waiting import eventually
from tests.support.web_server import WebServer
from webapp.api.video import READERS_CLIPS
from webapp.http.limits import Turns


def test_one_works_some_wait_and_the_others_come_again() -> None:
    """The work is done one at a time, all who got a place get their turn, and who got none knows at once."""
    turns, go, done = Turns("a test", waiting=2), threading.Event(), []

    def work(number: int) -> None:
        with turns.turn():
            assert go.wait(30)
            done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: turns._places._value == 0)  # type: ignore[attr-defined]
    with pytest.raises(RateLimited, match="busy with a test"), turns.turn():
        pass
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2]
    with turns.turn():
        done.append(3)


def test_who_waits_too_long_is_told_so() -> None:
    """And its place is free again."""
    turns = Turns("a test", waiting=1, seconds=0.01)
    with turns.turn():
        for _ in range(3):
            with pytest.raises(RateLimited), turns.turn():
                pass


def test_a_reader_starts_no_clip_where_many_are_made(session: Made) -> None:
    """A token of scope read gets 429 while others' clips are being made, a writer a job; what a reader may always have
    is a clip that is there, or the job that makes it already."""
    web = session.web
    settings = web.settings.replaced(tokens=f"looker:read:{READER},doer:write:{WRITER}")
    guarded = WebServer(settings, worker=False).start()
    session.step(9)
    clip = f"{session.path}/video?fps=7"
    crowd = {f"job_of_{number}": time.time() for number in range(READERS_CLIPS)}
    try:
        web.ledger.redis.zadd(keys.MEDIA, crowd)
        problem = guarded.problem(429, "GET", clip, headers=bearer(READER))
        assert "clips are being made" in problem["detail"]
        answer = guarded.http.get(clip + "&wait=60", headers=bearer(WRITER))
        assert answer.status_code == 200, answer.text
        assert guarded.http.get(clip, headers=bearer(READER)).status_code == 200
    finally:
        web.ledger.redis.zrem(keys.MEDIA, *crowd)
        guarded.stop()
    assert guarded.settings.video_job_frames < 72
