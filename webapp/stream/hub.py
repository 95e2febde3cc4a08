"""One reader of Redis for all viewers and long-polls of this process.

Two daemon threads follow the global event stream and the live frames; they start with the first use, after
gunicorn has forked. A viewer gets every event of its sessions in order; a long-poll sleeps on an event in
memory and holds no connection.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from arc_fabric.base.threads import Rounds
from arc_fabric.ledger import REDIS_OUTAGE, Event, JobRecord, Ledger
from arc_fabric.ledger.core.connection import connect_bytes
from arc_fabric.ledger.core.keys import frames_channel

log = logging.getLogger(__name__)
FINISHED, DURABLE = "job.finished", "node.durable"
BURST_S = 0.003
"""The frames of a step are published together. Of those that come closer to each other than this, no screen could show
but the last."""
MOST_BURST_S = 0.02
SUBSCRIBED_S = 2.0
"""How long Redis may take to confirm that live frames are heard."""


class Listener(Protocol):
    """What the hub tells about. Called from the hub's threads: must not block."""

    def on_events(self, events: Sequence[tuple[Event, str]]) -> None:
        """Events of any session in their order, each with its JSON message."""

    def on_frame(self, session_id: str, message: bytes) -> None:
        """A live frame message (pane 0)."""


class Hub:
    """Fans events and frames out to listeners, and wakes who waits for a job or for a stored node."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._waiters: dict[str, list[threading.Event]] = defaultdict(list)
        self._threads: dict[str, Rounds] = {}
        self._last_id = "0"
        """Of the events that were told."""
        self.stopping = threading.Event()
        self._hears_frames = threading.Event()

    def start(self) -> None:
        """Start following (once); returns when the position in the stream is known and frames are heard."""
        with self._lock:
            if not self._threads:
                self._last_id = self._ledger.events.last_id()
                for name, follow in (("events", self._follow_events), ("frames", self._follow_frames)):
                    # Frames in a Redis outage are lost by nature; events go on from their id.
                    self._threads[name] = Rounds(f"hub-{name}", follow, every_s=0.5, outages=REDIS_OUTAGE)
                for thread in self._threads.values():
                    thread.start()
        self._hears_frames.wait(SUBSCRIBED_S)

    def stop(self) -> None:
        """End the threads and wake everybody who waits."""
        self.stopping.set()
        for thread in self._threads.values():
            thread.end(0)
        with self._lock:
            for event in [event for waiting in self._waiters.values() for event in waiting]:
                event.set()

    def add(self, listener: Listener) -> None:
        """Tell `listener` everything from now on."""
        self.start()
        with self._lock:
            self._listeners = self._listeners | {listener}

    def remove(self, listener: Listener) -> None:
        """Tell it nothing more."""
        with self._lock:
            self._listeners = self._listeners - {listener}

    @property
    def viewers(self) -> int:
        """Listeners now."""
        return len(self._listeners)

    def wait_job(self, job_id: str, seconds: float) -> JobRecord:
        """The job once it has finished, or as it is after `seconds`. Raises JobNotFound."""
        self._wait(FINISHED + job_id, lambda: self._ledger.jobs.get(job_id).ended, seconds)
        return self._ledger.jobs.get(job_id)

    def wait_durable(self, checkpoint_id: str, seconds: float) -> None:
        """Return when the node is no longer `pending`, or after `seconds`."""
        self._wait(DURABLE + checkpoint_id, lambda: self._durability(checkpoint_id) != "pending", seconds)

    def _durability(self, checkpoint_id: str) -> str:
        return self._ledger.nodes.get(checkpoint_id).durability

    def _wait(self, key: str, done: Callable[[], bool], seconds: float) -> None:
        """Sleep until an event with this key came. Looks itself every 5 s: a Redis restart may lose an event."""
        if done() or seconds <= 0:
            return
        deadline = time.monotonic() + seconds
        with self._waiting(key) as event:
            while not done() and not self.stopping.is_set():
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                event.wait(min(left, 5.0))
                event.clear()

    @contextmanager
    def _waiting(self, key: str) -> Iterator[threading.Event]:
        self.start()
        event = threading.Event()
        with self._lock:
            self._waiters[key].append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._waiters[key].remove(event)
                if not self._waiters[key]:
                    del self._waiters[key]

    def _follow_events(self) -> None:
        for events in self._ledger.events.follow(None, self._last_id):
            if self.stopping.is_set():
                return
            self._threads["events"].well()
            self._dispatch(events)
            self._last_id = events[-1].id if events else self._last_id

    def _dispatch(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind in (FINISHED, DURABLE):
                with self._lock:
                    for waiter in self._waiters.get(event.kind + str(event.data.get("id")), ()):
                        waiter.set()
        listeners = self._listeners
        if listeners and events:
            told = [(event, json.dumps(event.to_dict(), separators=(",", ":"))) for event in events]
            for listener in listeners:
                self._tell(listener, partial(listener.on_events, told))

    def _follow_frames(self) -> None:
        prefix = len(frames_channel(""))
        with connect_bytes(self._ledger.redis_url) as client, client.pubsub() as channel:
            channel.psubscribe(frames_channel("*"))
            channel.get_message(timeout=SUBSCRIBED_S)
            self._hears_frames.set()
            while not self.stopping.is_set():
                latest: dict[bytes, bytes] = {}
                message = channel.get_message(ignore_subscribe_messages=True, timeout=2.0)
                self._threads["frames"].well()
                until = time.monotonic() + MOST_BURST_S
                while message is not None:
                    latest[message["channel"]] = message["data"]
                    if time.monotonic() > until:
                        break
                    message = channel.get_message(ignore_subscribe_messages=True, timeout=BURST_S)
                for name, frame in latest.items():
                    session_id = name[prefix:].decode()
                    for listener in self._listeners:
                        self._tell(listener, partial(listener.on_frame, session_id, frame))

    def _tell(self, listener: Listener, say: Callable[[], None]) -> None:
        """What one listener raises is not the others' affair; it hears nothing more."""
        try:
            say()
        except Exception:
            log.exception("a viewer failed; it is told nothing more")
            self.remove(listener)
