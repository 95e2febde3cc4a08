"""A client that vanishes gives its slots back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np

from arc_fabric.client import ArcFabric
from arc_fabric.openpi.observation import Observation
from arc_fabric.openpi.remote import LEASE_S as EPISODE_S
from arc_fabric.openpi.remote import RemoteBackend, RemoteEpisode
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


def test_one_that_is_opened_again_may_have_a_lease(fabric: ArcFabric) -> None:
    """This client keeps it by heartbeats; without any it is closed. Opened without one it stays."""
    session = fabric.new_session("pick up the red cup")
    session.close()
    assert session.reopen().lease_s is None
    session.close()
    assert session.reopen(lease_s=2).lease_s == 2
    time.sleep(5)
    assert session.refresh().state == "open"
    fabric.heartbeats.drop(session.id)
    eventually(lambda: session.refresh().state == "closed", 60)


def test_every_episode_of_an_endpoint_has_a_lease(fabric: ArcFabric) -> None:
    """A new one, one that goes on from a checkpoint or a closed session, one whose client comes back."""
    backend = RemoteBackend(fabric)
    picture = np.zeros((32, 32, 3), np.uint8)

    def episode(resume: str | None = None) -> RemoteEpisode:
        return backend.begin(Observation([picture], "push it", None, resume))

    first = episode()
    first.close()
    episodes = [first, episode(str(first.session.head)), episode(first.session.id)]
    episodes[1].close()
    episodes[1].resume()
    fabric.heartbeats.close()
    held = [one.session.refresh() for one in episodes[1:]]
    assert [(one.state, one.lease_s) for one in held] == [("open", EPISODE_S)] * 2
    for one in episodes[1:]:
        one.close()


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
