"""One viewer: every event after the id it knows, in order and once; frames as fast as it draws them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from pydantic import ValidationError
from redis.exceptions import ResponseError
from simple_websocket import ConnectionClosed, Server

from arc_fabric.errors import ArcFabricError, EventsLost, InvalidRequest, SessionNotFound
from arc_fabric.ledger import Event, Ledger
from arc_fabric.ledger.core import keys
from webapp.http.validation import of_validation
from webapp.stream.hub import Hub
from webapp.stream.messages import Credit, Ping, Subscribe, dumps, error_text, event_key, parse
from webapp.stream.outbox import Outbox
from webapp.stream.sender import Sender
from webapp.stream.sockets import GuardedSocket

log = logging.getLogger(__name__)
MOST_MISTAKES = 20
REPLAY_PAGE = 500
SUBSCRIBE_SECONDS = 1.0
"""A viewer that has not subscribed by then gets live events without a replay."""


class Viewer:
    """A connected WebSocket. `session_id` None: all sessions' events; else only that session's."""

    def __init__(
        self,
        ws: Server,
        sock: GuardedSocket,
        ledger: Ledger,
        hub: Hub,
        *,
        session_id: str | None,
        last_id: str | None,
    ) -> None:
        self._ws, self._sock = ws, sock
        self._ledger, self._hub = ledger, hub
        self._only, self._wanted = session_id, last_id
        self._box = Outbox()
        self._sender = Sender(ws, sock, self._box)
        self._lock = threading.Lock()
        self._held: list[tuple[Event, str]] | None = []
        """Live events while it is not yet known what to replay before them."""
        self._covered = "0"
        """Live events are those after this id; what is not newer can only come by a replay."""
        self._mistakes = 0

    def serve(self) -> None:
        """Until either side ends it."""
        self._hub.add(self)
        try:
            self._sender.start()
            self._greet()
            self._read()
        except (ConnectionClosed, OSError):
            pass
        finally:
            self._hub.remove(self)
            self._box.close()
            self._end()

    def on_events(self, events: Sequence[tuple[Event, str]]) -> None:
        """From the hub: send them, or hold them back while older ones are being replayed."""
        mine = [told for told in events if self._only is None or told[0].session_id == self._only]
        with self._lock:
            if self._held is not None:
                self._held += mine
                return
            for event, text in mine:
                if event_key(event.id) > event_key(self._covered):
                    self._box.put_text(text)
        self._sender.push()

    def on_frame(self, session_id: str, message: bytes) -> None:
        """From the hub."""
        if self._box.put_frame(session_id, message):
            self._sender.push()

    def _greet(self) -> None:
        """The id first, then the records: they are at least as new as the id says."""
        last_id = self._ledger.events.last_id()
        if self._only is None:
            sessions = self._ledger.sessions.page("open", limit=200).items
        else:
            sessions = [self._ledger.sessions.get(self._only)]
            self._box.set_panes([self._only])
        views = [session.to_dict() for session in sessions]
        self._covered = last_id
        self._box.put_text(dumps({"type": "hello", "sessions": views, "last_id": last_id}))
        self._sender.push()
        if self._wanted is not None:
            self._begin(self._wanted)

    def _begin(self, last_id: str | None) -> None:
        """Let events through: first those the viewer missed, then those held back since hello, then live ones."""
        if last_id is not None:
            self._replay(last_id)
        with self._lock:
            for event, text in self._held or ():
                if event_key(event.id) > event_key(self._covered):
                    self._box.put_text(text)
            self._held = None
        self._sender.push()

    def _read(self) -> None:
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        while not self._hub.stopping.is_set() and not self._box.overflowed:
            message = self._ws.receive(timeout=SUBSCRIBE_SECONDS)
            if message is not None:
                self._hear(message)
            if self._held is not None and time.monotonic() > deadline:
                self._begin(None)
            if self._mistakes > MOST_MISTAKES:
                return

    def _hear(self, message: str | bytes) -> None:
        try:
            self._obey(message)
        except ValidationError as error:
            self._complain(of_validation(error))
        except (InvalidRequest, SessionNotFound) as error:
            self._complain(error)
        self._sender.push()

    def _obey(self, message: str | bytes) -> None:
        if not isinstance(message, str):
            raise InvalidRequest("clients send JSON text, not binary messages")
        said = parse(message)
        if isinstance(said, Ping):
            self._box.put_text(dumps({"type": "pong"}))
        elif isinstance(said, Credit):
            self._box.add_credits(said.pane, said.n)
        else:
            self._subscribe(said)

    def _subscribe(self, said: Subscribe) -> None:
        if self._only is not None and set(said.session_ids) - {self._only}:
            raise InvalidRequest(
                f"this stream shows {self._only} only",
                hint="Use /ws/stream to watch several sessions.",
            )
        for session_id in set(said.session_ids):
            self._ledger.sessions.get(session_id)
        self._box.set_panes(said.session_ids)
        if self._held is not None:
            self._begin(said.last_id)

    def _replay(self, last_id: str) -> None:
        """Events after `last_id` up to where this connection began."""
        until = event_key(self._covered)
        if not keeps_events_after(self._ledger, last_id):
            self._box.put_text(error_text(EventsLost(f"the events after {last_id} are no longer kept")))
        streams = None if self._only is None else [self._only]
        while True:
            events = self._ledger.events.read(streams, last_id, REPLAY_PAGE)
            for event in events:
                if event_key(event.id) > until:
                    return
                self._box.put_text(dumps(event.to_dict()))
            self._sender.push()
            if len(events) < REPLAY_PAGE:
                return
            last_id = events[-1].id

    def _complain(self, error: ArcFabricError) -> None:
        self._mistakes += 1
        self._box.put_text(error_text(error))

    def _end(self) -> None:
        """Say goodbye if the peer still listens, and leave no thread behind."""
        self._sender.join(1.0)
        reason, text = (1013, "too far behind: reconnect with last_id") if self._box.overflowed else (1001, None)
        if self._mistakes > MOST_MISTAKES:
            reason, text = 1008, "too many invalid messages"
        try:
            self._ws.close(reason, text)
            self._ws.thread.join(1.0)
        except (ConnectionClosed, OSError):
            pass
        self._sock.kill()


def keeps_events_after(ledger: Ledger, last_id: str) -> bool:
    """Whether no event after `last_id` was trimmed, and the id is of this stream at all."""
    if event_key(last_id) > event_key(ledger.events.last_id()):
        return False
    try:
        facts = ledger.redis.xinfo_stream(keys.EVENTS)
    except ResponseError:
        return True  # no event yet
    first = facts["first-entry"]
    trimmed = facts["entries-added"] > facts["length"]
    return not trimmed or first is None or event_key(last_id) >= event_key(first[0])
