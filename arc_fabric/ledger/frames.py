"""Live frames beside the event streams, and the strips of the newest steps."""

from __future__ import annotations

from collections.abc import Iterable

from redis import Redis
from redis.client import NEVER_DECODE

from arc_fabric.ledger.core import Core, keys

KEPT_S = 600


class Frames:
    """Pictures on their way to viewers and to storage."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def publish(self, session_id: str, messages: Iterable[bytes], *, kept: tuple[str, bytes] | None = None) -> None:
        """Send live frames (each 16-byte header + JPEG) to whoever watches, in one round trip; before them keep a
        strip, `kept` = (checkpoint, PNG), as `keep` does."""
        pipe = self._core.redis.pipeline(transaction=False)
        if kept is not None:
            _keep(pipe, *kept)
        for message in messages:
            pipe.publish(keys.frames_channel(session_id), message)
        pipe.execute()

    def keep(self, checkpoint_id: str, png: bytes) -> None:
        """Keep a step's frames readable before they are in storage."""
        _keep(self._core.redis, checkpoint_id, png)

    def forget(self, checkpoint_id: str) -> None:
        """Drop a strip whose step came to nothing."""
        self._core.redis.delete(keys.framestrip(checkpoint_id))

    def strip(self, checkpoint_id: str) -> bytes | None:
        """The PNG strip of a step's frames, if it is still kept."""
        stored: bytes | None = self._core.redis.execute_command(
            "GET", keys.framestrip(checkpoint_id), **{NEVER_DECODE: True}
        )
        return stored


def _keep(client: Redis, checkpoint_id: str, png: bytes) -> None:
    client.set(keys.framestrip(checkpoint_id), png, ex=KEPT_S)
