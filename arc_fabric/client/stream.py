"""The live stream as an iterator: events (nothing lost over reconnects) and live frames (the latest win).

>>> with fabric.stream(session.id) as stream:                                           # doctest: +SKIP
...     for item in stream:
...         if isinstance(item, LiveFrame): show(item.number, item.image)
...         elif item["kind"] == "job.finished": break
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from arc_fabric import errors
from arc_fabric.base.hosts import is_loopback
from arc_fabric.base.retry import retry
from arc_fabric.client.transport import PAUSES_S, named_error, no_way_through, told
from arc_fabric.media.frames import decode_png, unpack_live
from arc_fabric.rules.addresses import without_password

CREDITS = 8
RECONNECT_S = (*PAUSES_S, *(5.0,) * 12)
"""Pauses between attempts to come back: about a minute, enough for a restart of the server."""


@dataclass(frozen=True)
class LiveFrame:
    """A frame of a step that runs now."""

    session_id: str
    number: int
    """Video frame number of the session."""
    last: bool
    """Whether it is the last of its step."""
    time: float
    """Epoch seconds at which the worker encoded it."""
    jpeg: bytes

    @cached_property
    def image(self) -> np.ndarray:
        """uint8 [H, W, 3]."""
        return decode_png(self.jpeg)


class Stream:
    """Iterate for events (dicts as in docs/reference/api.md) and LiveFrames. Not thread-safe, except `close`."""

    def __init__(
        self,
        url: str,
        session_ids: Sequence[str],
        *,
        headers: dict[str, str],
        last_id: str | None = None,
        frames: bool = True,
        reconnect: bool = True,
    ) -> None:
        self._url = "ws" + url.removeprefix("http") + "/ws/stream"
        self._ids, self._frames, self._headers = list(session_ids), frames, headers
        self._reconnect = reconnect
        self._closed = False
        self._socket: ClientConnection | None = None
        self._early: deque[str | bytes] = deque()
        """What came before the server confirmed the subscription."""
        self.last_id = last_id
        """Id of the newest event seen: where another stream can go on."""
        self.hello: dict[str, Any] = {}
        """The server's greeting: the open sessions and the id from which events follow."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Connect and subscribe; what happens after it returns is seen, live frames too. Raises ServiceError or the
        error that the server names."""
        try:
            opening = connect(
                self._url, additional_headers=self._headers, compression=None, max_size=1 << 24, open_timeout=10,
                proxy=None if is_loopback(self._url) else True,
            )  # fmt: skip
            self._socket = opening.__enter__()
            self.hello = json.loads(self._socket.recv(timeout=10))
            panes = self._ids if self._frames else []
            self._say({"type": "subscribe", "session_ids": panes, "last_id": self.last_id})
            for pane in range(len(panes)):
                self._say({"type": "credit", "pane": pane, "n": CREDITS})
            self._confirm()
        except InvalidStatus as refused:
            raise _refusal(refused) from None
        except ImportError as error:
            raise no_way_through(error) from None
        except (OSError, ValueError, WebSocketException) as broken:
            raise errors.ServiceError(
                f"no stream at {without_password(self._url)}: {broken}",
                hint="Check that the server runs, that its URL is right, and the proxies that the environment names.",
                url=without_password(self._url),
            ) from broken
        self.last_id = self.last_id or self.hello["last_id"]

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        if self._socket is not None:
            self._socket.close()

    def __iter__(self) -> Iterator[dict[str, Any] | LiveFrame]:
        while not self._closed:
            item = self.next()
            if item is not None:
                yield item

    def next(self, timeout: float | None = None) -> dict[str, Any] | LiveFrame | None:
        """The next event or frame; None after `timeout` seconds, or when a message was of no interest."""
        if self._socket is None:
            self.open()
        assert self._socket is not None
        try:
            message = self._early.popleft() if self._early else self._socket.recv(timeout=timeout)
        except TimeoutError:
            return None
        except (ConnectionClosed, OSError):
            self._again()
            return None
        return self._frame(message) if isinstance(message, bytes) else self._event(json.loads(message))

    def _confirm(self) -> None:
        """The server obeys in order: its answer to a ping says that it has taken the subscription in."""
        assert self._socket is not None
        self._early.clear()
        self._say({"type": "ping"})
        while True:
            message = self._socket.recv(timeout=10)
            if isinstance(message, str) and json.loads(message)["type"] == "pong":
                return
            self._early.append(message)

    def _event(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["type"] == "error":
            raise named_error(message["code"], message["detail"], message["what_to_do"], {"problem": message})
        if message["type"] != "event":
            return None
        self.last_id = message["id"]
        return message if not self._ids or message["session_id"] in self._ids else None

    def _frame(self, message: bytes) -> LiveFrame | None:
        header, jpeg = unpack_live(message)
        self._say({"type": "credit", "pane": header.pane, "n": 1})
        return LiveFrame(self._ids[header.pane], header.number, header.last, header.time, jpeg)

    def _say(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def _again(self) -> None:
        """Connect anew and go on after `last_id`; ServiceError when the server stays away."""
        if self._closed:
            return
        if not self._reconnect:
            raise errors.ServiceError("the stream ended")
        retry(self.open, on=(errors.ServiceError,), pauses=RECONNECT_S)


def _refusal(refused: InvalidStatus) -> errors.ArcFabricError:
    return told(refused.response.body or b"", f"the stream was refused with {refused.response.status_code}")
