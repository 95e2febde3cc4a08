"""The reader of Redis behind all viewers, through an outage."""

from __future__ import annotations

import time

from arc_fabric.base.threads import SUPERVISOR
from arc_fabric.ledger import Ledger
from arc_fabric.services.valkey import ValkeyServer
from tests.support.waiting import eventually
from webapp.stream.hub import Hub

FOLLOWING = {"hub-events", "hub-frames"}


def test_it_is_well_again_after_an_outage(own_redis: ValkeyServer) -> None:
    """/readyz named its thread as failing for good: it reads on and on, and no round of it ends well."""
    ledger = Ledger(own_redis.url)
    hub = Hub(ledger)
    hub.start()
    try:
        own_redis.stop()
        eventually(lambda: FOLLOWING & SUPERVISOR.sick().keys(), 30)
        time.sleep(1)
        own_redis.start()
        eventually(lambda: not FOLLOWING & SUPERVISOR.sick().keys(), 30, what="they count as failing still")
    finally:
        hub.stop()
        ledger.close()
