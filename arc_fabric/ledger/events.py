"""The event streams, and live frames beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from redis import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import RedisError

from arc_fabric.ledger import codec, keys
from arc_fabric.ledger.connection import BLOCK_S
from arc_fabric.ledger.nodes import Nodes
from arc_fabric.ledger.records import Event

FRAMESTRIP_S = 600


def _event(line_id: str, fields: dict[str, str]) -> Event:
    return Event(
        line_id,
        fields["session_id"] or None,
        fields["kind"],
        float(fields["time"]),
        json.loads(fields["data"]),
    )


class Events(Nodes):
    """The part of the ledger that readers follow."""

    def last_event_id(self) -> str:
        """Id of the newest event, "0" before the first: where a follower that reads records now goes on."""
        newest = self.redis.xrevrange(keys.EVENTS, count=1)
        return newest[0][0] if newest else "0"

    def read_events(self, session_ids: list[str] | None, last_id: str, limit: int = 500) -> list[Event]:
        """Events after `last_id`, oldest first, without waiting; `session_ids` None = of everything."""
        streams = [keys.EVENTS] if session_ids is None else [keys.session_events(s) for s in session_ids]
        if not streams:
            return []
        answer = self.redis.xread(dict.fromkeys(streams, last_id), count=limit)
        return _in_order(answer)[:limit]

    def events(
        self, session_ids: list[str] | None = None, last_id: str | None = None, *, poll: bool = False
    ) -> Iterator[Event | None]:
        """Follow the stream from `last_id` (None = from now on), for ever; ids never go back.

        With `poll` it also yields None every two seconds or so without an event, so that the reader can look
        whether it should stop. Survives a Redis restart.
        """
        for batch in self.event_batches(session_ids, last_id):
            yield from batch
            if not batch and poll:
                yield None

    def event_batches(self, session_ids: list[str] | None = None, last_id: str | None = None) -> Iterator[list[Event]]:
        """The same, as many at once as there are; an empty list every two seconds or so without an event."""
        last = self.last_event_id() if last_id is None else last_id
        streams = [keys.EVENTS] if session_ids is None else [keys.session_events(s) for s in session_ids]
        while True:
            try:
                answer = self.blocking.xread(dict.fromkeys(streams, last), count=200, block=int(BLOCK_S * 1000))
            except (RedisError, OSError):
                time.sleep(0.2)
                answer = []
            batch = _in_order(answer)
            last = batch[-1].id if batch else last
            yield batch

    def publish_event(self, kind: str, data: dict[str, Any], session_id: str | None = None) -> None:
        """Add an event that no script adds by itself."""
        self.scripts.run("publish", session_id or "", kind, codec.dumps(data))

    def publish_frames(
        self, session_id: str, messages: Iterable[bytes], *, kept: tuple[str, bytes] | None = None
    ) -> None:
        """Send live frames (each 16-byte header + JPEG) to whoever watches, in one round trip; before them keep a
        strip, `kept` = (checkpoint, PNG), as `keep_framestrip` does."""
        pipe = self.redis.pipeline(transaction=False)
        if kept is not None:
            _keep(pipe, *kept)
        for message in messages:
            pipe.publish(keys.frames_channel(session_id), message)
        pipe.execute()

    def keep_framestrip(self, checkpoint_id: str, png: bytes) -> None:
        """Keep a step's frames readable before they are in storage."""
        _keep(self.redis, checkpoint_id, png)

    def framestrip(self, checkpoint_id: str) -> bytes | None:
        """The PNG strip of a step's frames, if it is still kept."""
        stored: bytes | None = self.redis.execute_command("GET", keys.framestrip(checkpoint_id), **{NEVER_DECODE: True})
        return stored


def _keep(client: Redis, checkpoint_id: str, png: bytes) -> None:
    client.set(keys.framestrip(checkpoint_id), png, ex=FRAMESTRIP_S)


def _in_order(answer: Any) -> list[Event]:
    """Merge the lines of several streams by id."""
    merged = [_event(line_id, fields) for _, lines in answer or [] for line_id, fields in lines]
    merged.sort(key=lambda e: tuple(int(part) for part in e.id.split("-")))
    return merged
