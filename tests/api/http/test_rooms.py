"""Parts of the web app by themselves: the outbox, the caches, the rate limit, the messages."""

from __future__ import annotations

import socket
import threading

import pytest

from webapp.content.pictures import Cache, to_numpy
from webapp.http.limits import LongPolls
from webapp.stream.messages import event_key
from webapp.stream.outbox import MOST_TEXTS, Outbox
from webapp.stream.sockets import GuardedSocket


def test_events_go_before_frames_and_none_is_dropped() -> None:
    """However many frames come, texts keep their order; a frame goes to each pane that shows its session."""
    box = Outbox()
    box.set_panes(["a", "b", "a"])
    for number in range(5):
        box.put_frame("a", bytes((1, 0, number)))
        box.put_text(str(number))
    assert [box.take() for _ in range(5)] == list("01234")
    assert {box.take(), box.take()} == {bytes((1, 0, 4)), bytes((1, 2, 4))}
    assert box.take() is None
    assert not box.ready


def test_a_viewer_too_far_behind_is_told_apart() -> None:
    """Beyond MOST_TEXTS the box says so; its owner closes the connection."""
    box = Outbox()
    for _ in range(MOST_TEXTS):
        box.put_text("x")
    assert not box.overflowed
    box.put_text("x")
    assert box.overflowed


def test_a_closed_outbox_wakes_its_writer() -> None:
    """The thread for slow viewers ends with it."""
    box = Outbox()
    writer = threading.Thread(target=box.wait_handed_over)
    writer.start()
    box.close()
    writer.join(5)
    assert not writer.is_alive()


def test_what_a_full_socket_leaves_goes_first_and_whole() -> None:
    """`send_now` does not wait for a reader; what it left is not cut by what others send after it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        guarded = GuardedSocket(ours)
        sent = [bytes([number]) * (1 << 20) for number in range(4)]
        assert not guarded.send_now(sent[0])
        assert not guarded.send_now(sent[1])
        others = [threading.Thread(target=guarded.send, args=(data,)) for data in sent[2:]]
        for other in others:
            other.start()
        got = bytearray()
        while len(got) < sum(map(len, sent)):
            got += theirs.recv(1 << 20)
        for other in others:
            other.join(5)
    assert got[: 2 << 20] == sent[0] + sent[1]
    assert got[2 << 20 :] in (sent[2] + sent[3], sent[3] + sent[2])


def test_the_cache_keeps_to_its_budget_and_to_what_was_used_last() -> None:
    """The oldest goes first; a value larger than the budget is kept alone."""
    cache: Cache[bytes] = Cache(10, len)
    for key in "abc":
        cache.get(key, lambda: b"1234")
    assert cache.peek("a") is None
    cache.get("b", lambda: pytest.fail("b is cached"))
    cache.get("d", lambda: b"1234")
    assert cache.peek("c") is None
    cache.get("big", lambda: bytes(50))
    assert cache.peek("big") is not None
    assert cache.peek("d") is None


def test_bfloat16_is_widened_exactly() -> None:
    """0x3F80 is 1.0, 0xC040 is -3.0."""
    assert to_numpy("BF16", (2,), b"\x80\x3f\x40\xc0").tolist() == [1.0, -3.0]


def test_only_so_many_requests_wait_at_once() -> None:
    """The next one is told not to wait; a seat that was given back can be taken."""
    polls = LongPolls(1)
    with polls.seat() as first, polls.seat() as second:
        assert first
        assert not second
    with polls.seat() as third:
        assert third


def test_event_ids_have_an_order() -> None:
    """By number, not by text."""
    assert event_key("1000-9") < event_key("1000-10") < event_key("1001-0")
