"""An OpenPI / RoboArena policy server as a policy: over its WebSocket, as openpi-client speaks to it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from arc_fabric.acting.policy import Seen
from arc_fabric.base.hosts import is_loopback
from arc_fabric.errors import ModelError, ServiceError
from arc_fabric.openpi.wire import pack, unpack

MOST_BYTES = 64 << 20


class OpenPi:
    """A policy on a server. Its pictures and its prompt have the names that the server expects (`image`: for DROID
    `observation/exterior_image_0_left`); what else it wants, a state for example, `more` gives."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        image: str = "observation/image",
        more: dict[str, Any] | None = None,
        seconds: float = 60.0,
    ) -> None:
        """Raises ServiceError where no policy server answers at `url` (ws://host:port)."""
        headers = {"Authorization": f"Api-Key {api_key}"} if api_key else None
        web = url.replace("ws", "http", 1)
        proxy: dict[str, Any] = {"proxy": None} if is_loopback(web) else {}
        self._url, self._image, self._more, self._seconds = url, image, dict(more or {}), seconds
        try:
            self._socket = connect(url, additional_headers=headers, compression=None, max_size=MOST_BYTES, **proxy)
            self.metadata: dict[str, Any] = unpack(self._heard())
        except (OSError, WebSocketException) as error:
            raise ServiceError(f"No policy server answers at {url}: {error}.", hint="Start it, or check the URL.",
                               url=url) from error  # fmt: skip

    def __call__(self, seen: Seen) -> np.ndarray:
        """Ask for actions. Raises ModelError with what the server says of a failure, ServiceError when it is gone."""
        message = {self._image: seen.frame, "prompt": seen.prompt, **self._more}
        if seen.state is not None:
            message["observation/state"] = seen.state
        try:
            self._socket.send(pack(message))
            answer = self._socket.recv(timeout=self._seconds)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise ServiceError(f"The policy server at {self._url} is gone: {error}.", url=self._url) from error
        if isinstance(answer, str):
            raise ModelError(f"The policy server says: {answer}"[:1000])
        found = unpack(answer)
        return np.asarray(found["actions"] if isinstance(found, dict) else found, np.float32)

    def close(self) -> None:
        """End the conversation."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _heard(self) -> bytes:
        data = self._socket.recv(timeout=self._seconds)
        return data if isinstance(data, bytes) else data.encode()
