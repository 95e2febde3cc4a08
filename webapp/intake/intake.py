"""Takes messages of queue `arc` in their order and has them accepted as HTTP would.

A message leaves the queue after its job was accepted (or its refusal written down), so whoever dies between sees it
again, and its task id finds the job that is there. One process at a time takes messages; two that overlap for a moment
accept the same ones. Where a limit of unfinished jobs is met, messages wait instead of failing: HTTP says 429 there.
"""

from __future__ import annotations

import logging
import time
from typing import cast

from flask import Flask

from arc_fabric.base.threads import Rounds
from arc_fabric.errors import ArcFabricError, ModelUnavailable, ServiceError, StoreUnavailable, TooManyJobs
from arc_fabric.ids import new_id
from arc_fabric.ledger import REDIS_OUTAGE, Accepted
from arc_fabric.queue.inbox import LISTS, Inbox, Refusal
from webapp.context import EXTENSION, Context
from webapp.intake.message import Message, read
from webapp.intake.monitors import Monitors, Outcome
from webapp.work.bodies import JobForm
from webapp.work.forms import accept_forms

log = logging.getLogger(__name__)
WINDOW, DEEPEST = 64, 1024
"""Messages that are looked at in a round: the oldest, and more while all of those have to wait, so that a session that
is full holds up no other's."""
_EVERY_S, _ROLE_S, _OTHERS_S, _WAITS_S = 0.1, 3.0, 1.0, 0.5
_PASSING = (TooManyJobs, StoreUnavailable, ModelUnavailable)
"""What passes by itself: such a message stays, and is looked at again."""


class Intake(Rounds):
    """The thread that takes messages, in the web's process: it knows the bodies and their checks."""

    def __init__(self, app: Flask) -> None:
        super().__init__("intake", self._now_and_then, every_s=_EVERY_S, outages=REDIS_OUTAGE)
        self._app, self._holder = app, new_id("boot")
        self._context = cast(Context, app.extensions[EXTENSION])
        self._inbox = Inbox(self._context.ledger)
        self._monitors = Monitors(self._inbox)
        self._next = 0.0
        self._window = WINDOW

    def _now_and_then(self) -> None:
        if time.monotonic() < self._next:
            return
        if not self._context.ledger.leases.hold("intake", self._holder, _ROLE_S):
            self._next = time.monotonic() + _OTHERS_S
            return
        self._monitors.alive()
        while not self.ending.is_set() and (self.round() or self._deeper()):
            self._context.ledger.leases.hold("intake", self._holder, _ROLE_S)
        if self._window > WINDOW:
            self._next = time.monotonic() + _WAITS_S

    def round(self) -> int:
        """Take what lies at the front; how many messages were taken."""
        waiting = self._first_of_each_session()
        if not waiting:
            return 0
        with self._app.app_context():
            outcomes = [outcome for outcome in self._take(waiting) if outcome is not None]
        self._monitors.tell(outcomes)
        return len(outcomes)

    def _deeper(self) -> bool:
        """Look further behind what has to wait; False where there is nothing more to look at."""
        longest = max(self._inbox.length(queue) for queue in LISTS)
        if longest <= self._window:
            self._window = WINDOW if longest <= WINDOW else self._window
            return False
        more = min(2 * self._window, DEEPEST)
        grown, self._window = more > self._window, more
        return grown

    def _first_of_each_session(self) -> list[Message]:
        """Of a session only its oldest message: should that have to wait, no later one may pass it."""
        found, seen = list[Message](), set[str]()
        for queue in LISTS:
            for raw in self._inbox.front(queue, self._window):
                message = read(queue, raw, int(self._context.settings.max_body_bytes), self._context.ledger.core.now())
                if message.session is None or message.session not in seen:
                    found.append(message)
                    seen |= {message.session} if message.session else set()
        return found

    def _take(self, messages: list[Message]) -> list[Outcome | None]:
        """Have them accepted, in few round trips."""
        answers: list[Accepted | ArcFabricError | None] = [None] * len(messages)
        forms: dict[int, JobForm] = {}
        for number, message in enumerate(messages):
            try:
                forms[number] = message.form()
            except ArcFabricError as error:
                answers[number] = error
        for number, answer in zip(forms, _accepted(list(forms.values())), strict=True):
            answers[number] = answer
        return [self._settle(one, answer) for one, answer in zip(messages, answers, strict=True) if answer is not None]

    def _settle(self, message: Message, answer: Accepted | ArcFabricError) -> Outcome | None:
        """Take a message out of the queue, unless what is in its way passes."""
        if isinstance(answer, Accepted):
            self._inbox.drop(message.queue, message.raw)
            return Outcome(message.task, message.task_id, message.kwargs, answer.job.id, None)
        if isinstance(answer, _PASSING):
            return None
        job_id = self._inbox.refuse(message.queue, message.raw, Refusal(
            message.kind, message.session, message.kwargs, message.task_id, message.digest, answer
        ))  # fmt: skip
        log.warning("task %s (%s) was refused: %s", message.task_id, message.task, answer)
        return Outcome(message.task or "?", message.task_id or job_id, message.kwargs, job_id, answer)


def _accepted(forms: list[JobForm]) -> list[Accepted | ArcFabricError]:
    """What was accepted, or why not. A defect of ours with one of them is that one's refusal: the others go on."""
    try:
        return accept_forms(forms, None)
    except REDIS_OUTAGE:
        raise
    except Exception as error:
        log.exception("%d tasks could not be accepted together", len(forms))
        if len(forms) == 1:
            return [ServiceError(f"The server failed: {type(error).__name__}: {error}"[:500])]
        return [answer for form in forms for answer in _accepted([form])]
