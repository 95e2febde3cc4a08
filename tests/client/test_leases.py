"""A client that vanishes gives its slots back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from arc_fabric.client import ArcFabric
from tests.support.nursery import ROOT
from tests.support.waiting import eventually
from tests.support.web_server import WebServer

LEASE_S = 5.0
"""A heartbeat every 1.7 s: two of them may be late on a busy machine."""
ENVIRONMENTS = """
import sys, time
from arc_fabric.client import ArcFabric
from arc_fabric.client.env import WorldEnv

fabric = ArcFabric(sys.argv[1])
environments = [WorldEnv(fabric, "pick up the red cup", lease_s=float(sys.argv[2])) for _ in range(5)]
for environment in environments:
    environment.reset(seed=1)
print(*(environment.session.id for environment in environments), flush=True)
time.sleep(600)
"""


def test_five_killed_environments_lock_nobody_out(web: WebServer, fabric: ArcFabric) -> None:
    """A process holds all five slots for longer than its leases, by its heartbeats; after kill -9 they are free again,
    and their trees are still there."""
    command = [sys.executable, "-c", ENVIRONMENTS, web.url, str(LEASE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)) as child:
        try:
            assert child.stdout is not None
            held = child.stdout.readline().split()
            assert len(held) == 5
            time.sleep(1.5 * LEASE_S)
            assert [s.id for s in fabric.sessions("open") if s.id in held] == held[::-1]
        finally:
            child.send_signal(signal.SIGKILL)
    eventually(lambda: not [s for s in fabric.sessions("open") if s.id in held], 90)
    session = fabric.new_session("pick up the red cup")
    assert session.info.lease_s is None
    assert len(fabric.session(held[0]).tree()) == 1
    session.close()
