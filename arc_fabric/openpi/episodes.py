"""The episodes of a policy server by their clients' names: a client that comes back goes on where it was.

An episode with a name (`session_id`) waits when its connection ends, and goes on when the name comes again, on whatever
connection; one that comes while another connection still seems to have it takes it over. `reset` ends it. Without a
name it ends with its connection.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from arc_fabric.base.lru import Lru
from arc_fabric.openpi.backend import Act, Backend, Episode
from arc_fabric.openpi.observation import Observation

MOST_WAITING = 1000
"""Named episodes that are remembered; of more, those that were used longest ago are forgotten."""


@dataclass(eq=False)
class Place:
    """An episode, and who has it."""

    name: str | None
    owner: object
    episode: Episode | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Episodes:
    """All of a server. Thread-safe."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._named: Lru[str, Place] = Lru(MOST_WAITING, lambda place: 1)
        self._lock = threading.Lock()

    def place(self, owner: object, now: Place | None, name: str | None) -> Place:
        """The place that a message of the connection `owner` means, which is at `now`; another one is left."""
        if now is not None and now.name == name and now.owner is owner:
            return now
        self.leave(owner, now)
        return self._take(owner, name)

    def act(self, place: Place, observation: Observation) -> Act:
        """One call: it begins the episode, goes on where it was left, or goes on."""
        with place.lock:
            if place.episode is None:
                place.episode = self._backend.begin(observation)
            else:
                place.episode.resume()
            return place.episode.act(observation)

    def leave(self, owner: object, place: Place | None, *, forget: bool = False) -> None:
        """The connection goes, or (`forget`) its client is done with the episode."""
        if place is None or place.owner is not owner:
            return
        place.owner = None
        if forget and place.name is not None:
            with self._lock:
                self._named.pop(place.name)
        with place.lock:
            if place.episode is not None and place.owner is None:
                place.episode.close()

    def _take(self, owner: object, name: str | None) -> Place:
        if name is None:
            return Place(None, owner)
        with self._lock:
            place = self._named.get(name)
            if place is None:
                place = Place(name, owner)
                self._named.add(name, place)
            place.owner = owner
            return place
