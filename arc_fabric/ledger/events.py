"""The event streams."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from arc_fabric.ledger.core import Core, keys
from arc_fabric.ledger.core.connection import BLOCK_S, REDIS_OUTAGE, StreamLines
from arc_fabric.ledger.records import Event


def _event(line_id: str, fields: dict[str, str]) -> Event:
    happened, data = float(fields["time"]), json.loads(fields["data"])
    return Event(line_id, fields["session_id"] or None, fields["kind"], happened, data)


class Events:
    """What happened, as readers follow it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def last_id(self) -> str:
        """Id of the newest event, "0" before the first: where a follower that reads records now goes on."""
        newest = self._core.redis.xrevrange(keys.EVENTS, count=1)
        return str(newest[0][0]) if newest else "0"

    def read(self, session_ids: list[str] | None, last_id: str, limit: int = 500) -> list[Event]:
        """Events after `last_id`, oldest first, without waiting; `session_ids` None = of everything. Who asks for
        those of sessions brings their trees back where they rest."""
        streams = [keys.EVENTS] if session_ids is None else [keys.session_events(s) for s in session_ids]
        if not streams:
            return []
        answer = self._core.redis.xread(dict.fromkeys(streams, last_id), count=limit)
        return self._filled(_in_order(cast(StreamLines, answer))[:limit], wake=session_ids is not None)

    def follow(self, session_ids: list[str] | None = None, last_id: str | None = None) -> Iterator[list[Event]]:
        """Events after `last_id` (None = from now on), for ever, as many at once as there are; ids never go back.

        Yields an empty list every two seconds or so without an event. Survives a Redis restart.
        """
        last = self.last_id() if last_id is None else last_id
        streams = [keys.EVENTS] if session_ids is None else [keys.session_events(s) for s in session_ids]
        while True:
            try:
                answer = self._core.blocking.xread(dict.fromkeys(streams, last), count=200, block=int(BLOCK_S * 1000))
                batch = self._filled(_in_order(cast(StreamLines, answer)))
            except REDIS_OUTAGE:
                time.sleep(0.2)
                batch = []
            last = batch[-1].id if batch else last
            yield batch

    def _filled(self, events: list[Event], *, wake: bool = False) -> list[Event]:
        """The same with the members that their lines left out: a node's actions and a job's params, which never change.
        Where the record is gone by now they are null and empty."""
        short = [(event, *_LEFT_OUT[kind]) for event in events if (kind := event.kind.partition(".")[0]) in _LEFT_OUT]
        short = [(event, key, name, empty) for event, key, name, empty in short if name not in event.data]
        if not short:
            return events
        if wake:
            nodes = list({str(event.data["id"]) for event, *_ in short if event.kind.startswith("node.")})
            for tree_id in {tree for tree in self._core.scripts.run("trees/homes", *nodes) if tree}:
                self._core.wake(tree_id)
        pipe = self._core.redis.pipeline(transaction=False)
        for event, key, name, _ in short:
            pipe.hget(key(str(event.data["id"])), name)
        for (event, _, name, empty), text in zip(short, pipe.execute(), strict=True):
            event.data[name] = json.loads(text) if text else empty
        return events


_LEFT_OUT: dict[str, tuple[Callable[[str], str], str, Any]] = {
    "node": (keys.node, "actions", None), "job": (keys.job, "params", {}),
}  # fmt: skip


def _in_order(answer: StreamLines) -> list[Event]:
    """Merge the lines of several streams by id."""
    merged = [_event(line_id, fields) for _, lines in answer or [] for line_id, fields in lines]
    merged.sort(key=lambda e: tuple(int(part) for part in e.id.split("-")))
    return merged
