"""ArcFabric: a server, and the sessions on it."""

from __future__ import annotations

from collections.abc import Sequence

from arc_fabric import errors
from arc_fabric.client.pictures import Views, picture_of
from arc_fabric.client.server import Server
from arc_fabric.client.session import RemoteSession
from arc_fabric.client.views import SessionInfo


class ArcFabric(Server):
    """A running Arc Fabric. Thread-safe; close it, or use it in a `with` block.

    `url` is what `arc-fabric up` printed; `token` is needed where the server has tokens.
    """

    def new_session(
        self,
        prompt: str,
        initial_frame: Views | None = None,
        *,
        seed: int | None = None,
        state: Sequence[float] | None = None,
        embodiment_id: int = 0,
        label: str | None = None,
        lease_s: float | None = None,
        wait: bool = True,
        timeout: float = 120.0,
    ) -> RemoteSession:
        """Open a session from `sample:<name>`, an image file's path or bytes, or uint8 [H, W, 3]; for a model of
        several cameras from a list with one of these per camera, or uint8 [V, H, W, 3].

        Without a frame: the first sample. With `lease_s` this client sends heartbeats while it is open, and the server
        closes the session that long after the last one: a program that was killed holds no slot for good.

        Raises SessionLimitReached, InvalidImage.
        """
        body = {
            "prompt": prompt,
            "initial_frame": picture_of(initial_frame if initial_frame is not None else self._sample()),
            "seed": seed,
            "state": None if state is None else [float(x) for x in state],
            "embodiment_id": embodiment_id,
            "label": label,
            "lease_s": lease_s,
        }
        answer = self.transport.json("POST", "/api/sessions", body=body)
        session = RemoteSession(self, SessionInfo.of(answer["session"]))
        session.keep_alive()
        if wait:
            self.wait(answer["job"]["id"], timeout=timeout)
            session.refresh()
        return session

    def session(self, session_id: str) -> RemoteSession:
        """A session by its id."""
        return RemoteSession(self, SessionInfo.of(self.transport.json("GET", f"/api/sessions/{session_id}")))

    def _sample(self) -> str:
        names = self.samples()
        if not names:
            raise errors.InvalidRequest("this server has no sample frames", hint="Give an initial_frame.")
        return f"sample:{names[0]}"
