"""What one viewer is still to be sent: every event in order, and per pane only the latest frame.

>>> box = Outbox()
>>> box.set_panes(["ses_a"])
>>> box.put_frame("ses_a", b"\\x01\\x00old"), box.put_frame("ses_a", b"\\x01\\x00new")
(True, True)
>>> box.put_text('{"type":"event"}')
>>> box.take(), box.take(), box.take()
('{"type":"event"}', b'\\x01\\x00new', None)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from arc_fabric.media.frames import set_pane

FIRST_CREDITS = 2
MOST_CREDITS = 8
MOST_TEXTS = 20_000
"""Events a viewer may be behind; beyond it is disconnected and comes back with its last id."""


class Outbox:
    """Thread-safe. Putting wakes nobody: who puts also sees to the sending (see sender.py)."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._texts: deque[str] = deque()
        self._panes: dict[str, list[int]] = {}
        self._frames: dict[int, bytes] = {}
        self._credits: dict[int, int] = {}
        self.closed = False
        self.overflowed = False
        self.handed_over = False

    def set_panes(self, session_ids: Sequence[str]) -> None:
        """Show these sessions: a session's frames go to every pane (position) that names it."""
        with self._wake:
            self._panes = {}
            for pane, session_id in enumerate(session_ids):
                self._panes.setdefault(session_id, []).append(pane)
            self._credits = dict.fromkeys(range(len(session_ids)), FIRST_CREDITS)
            self._frames.clear()

    def put_text(self, text: str) -> None:
        """Queue a JSON message; none is ever dropped, a viewer too far behind is closed."""
        with self._wake:
            self._texts.append(text)
            self.overflowed = self.overflowed or len(self._texts) > MOST_TEXTS

    def put_frame(self, session_id: str, message: bytes) -> bool:
        """Offer a live frame; an older one still waiting for the same pane is forgotten. Whether it may leave now."""
        with self._wake:
            panes = self._panes.get(session_id, ())
            for pane in panes:
                self._frames[pane] = message
            return any(self._credits.get(pane, 0) > 0 for pane in panes)

    def add_credits(self, pane: int, count: int) -> None:
        """The viewer has drawn `count` frames of a pane and can take as many more."""
        with self._wake:
            if pane in self._credits:
                self._credits[pane] = min(self._credits[pane] + count, MOST_CREDITS)

    def take(self) -> str | bytes | None:
        """The next message: texts first, then a frame with credit; None when there is none."""
        with self._wake:
            return self._next()

    @property
    def ready(self) -> bool:
        """Whether `take` would give a message."""
        with self._wake:
            return bool(self._texts) or any(self._credits.get(pane, 0) > 0 for pane in self._frames)

    def hand_over(self) -> None:
        """Leave the sending to the thread in `wait_handed_over`: the socket takes no more at once."""
        with self._wake:
            self.handed_over = True
            self._wake.notify_all()

    def wait_handed_over(self) -> bool:
        """Wait for `hand_over`; False once the box is closed."""
        with self._wake:
            self._wake.wait_for(lambda: self.handed_over or self.closed)
            return not self.closed

    def take_back(self) -> None:
        """Everything is sent: whoever puts may send again."""
        with self._wake:
            self.handed_over = False

    def close(self) -> None:
        """Wake the writer for good."""
        with self._wake:
            self.closed = True
            self._wake.notify_all()

    def _next(self) -> str | bytes | None:
        if self._texts:
            return self._texts.popleft()
        for pane, message in self._frames.items():
            if self._credits.get(pane, 0) > 0:
                self._credits[pane] -= 1
                del self._frames[pane]
                return set_pane(message, pane)
        return None
