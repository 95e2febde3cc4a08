"""Makes the variants of an evaluation with policies: takes one, forks, has it made, says what came of it.

Several runners share an evaluation, in any process that reaches the server; what a runner held that died is lent to
another one. A policy that raises makes an error of its variant; the next one is made. That the server has no room says
nothing of a variant: the runner waits for it, and ends where there is none for long.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from arc_fabric.acting.makers import Maker
from arc_fabric.base.retry import retry, within
from arc_fabric.base.threads import Rounds
from arc_fabric.client import ArcFabric, RemoteEvaluation, RemoteSession
from arc_fabric.client.session import fork_of
from arc_fabric.errors import ArcFabricError, InvalidRequest, ServiceError, SessionLimitReached, TooManyJobs
from arc_fabric.ids import new_id

log = logging.getLogger(__name__)
LEASE_S = 60.0
_PAUSE_S = 0.5
_NO_ROOM = (SessionLimitReached, TooManyJobs)


class Runner:
    """Makes variants of one evaluation; `makers` by the plan's names of policies."""

    def __init__(self, fabric: ArcFabric, evaluation: RemoteEvaluation, makers: Mapping[str, Maker]) -> None:
        self._fabric, self._evaluation, self._makers = fabric, evaluation, dict(makers)
        self.who = f"{socket.gethostname()[:40]}.{os.getpid()}.{new_id('run')[-8:]}".replace("_", "-")
        self._held: int | None = None

    def run(self) -> int:
        """Until the evaluation is over; how many variants this runner made. Raises ServiceError where the server is
        away, SessionLimitReached or TooManyJobs where it has no room."""
        made = 0
        alive = Rounds(f"acting-{self.who}", self._renew, every_s=LEASE_S / 4, outages=(ServiceError,)).start()
        try:
            while True:
                lent = self._ask("lend", most=1, seconds=LEASE_S)
                for variant in lent["items"]:
                    made += self._make(variant)
                if lent["state"] != "running":
                    return made
                if not lent["items"]:
                    time.sleep(_PAUSE_S)  # others hold the rest; they may die
        finally:
            alive.end(0)

    def _make(self, variant: Mapping[str, Any]) -> bool:
        """Make one; whether it counts."""
        number = int(variant["variant"])
        self._held = number
        try:
            told: dict[str, Any] = {"head": self._made(variant)}
        except (ServiceError, *_NO_ROOM):
            raise  # the server is away, or full: whoever comes next makes it
        except Exception as error:  # noqa: BLE001 - somebody's policy: its failure is a result
            log.warning("variant %d: %s: %s", number, type(error).__name__, error)
            told = {"error": f"{type(error).__name__}: {error}"[:2000]}
        finally:
            self._held = None
        return bool(self._ask("made", variant=number, **told)["taken"])

    def _made(self, variant: Mapping[str, Any]) -> str:
        maker = self._makers.get(variant["policy"])
        if maker is None:
            raise InvalidRequest(f"This runner knows no policy {variant['policy']!r}.",
                                 hint=f"It knows {', '.join(self._makers)}.")  # fmt: skip
        session = self._fork(variant)
        try:
            return maker(session, int(variant["steps"]))
        finally:
            session.close()

    def _fork(self, variant: Mapping[str, Any]) -> RemoteSession:
        body = {"new_prompt": variant["prompt"], "new_seed": variant["seed"], "prompt_mode": variant["prompt_mode"],
                "model_settings": variant.get("model_settings"),
                "label": f"{variant['policy']}, variant {variant['variant']}", "lease_s": LEASE_S}  # fmt: skip
        return retry(
            lambda: fork_of(self._fabric, variant["checkpoint"], body)[0],
            on=_NO_ROOM, pauses=within(LEASE_S, _PAUSE_S), told=lambda error: log.info("waiting for room: %s", error),
        )  # fmt: skip

    def _renew(self) -> None:
        held = self._held
        if held is not None:
            try:
                self._ask("renew", variants=[held], seconds=LEASE_S)
            except ServiceError:
                raise
            except ArcFabricError as error:
                log.warning("variant %d may be lent to somebody else: %s", held, error)

    def _ask(self, what: str, **body: Any) -> dict[str, Any]:
        url = f"/api/evaluations/{self._evaluation.id}/{what}"
        found: dict[str, Any] = self._fabric.transport.json("POST", url, body={"who": self.who, **body})
        return found
