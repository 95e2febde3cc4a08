"""How long a live frame takes from the server's stamp to the screen, with three panes stepping at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.page.view import View
from tests.page.world import World

STEPS = 3


def test_live_frames_reach_the_screen(chromium: Any, world: World, record_property: Any) -> None:
    """Three sessions step, three panes show the newest frame as it comes (reduced motion: none is played through). How
    long that takes is printed, and promised nowhere: 100 ms p95 on loopback on a quiet machine."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    view = View(context.new_page())
    sessions = world.branches(1, 1)
    view.open(world.link(sessions)).press("End").until("s.follow")
    jobs = [
        world.ok("POST", f"/api/sessions/{session['id']}/step", json={"steps": STEPS})["job"] for session in sessions
    ]
    for job in jobs:
        world.wait(job)
    view.until(f"s.total === {1 + 8 * (2 + STEPS)}")
    stream = view.state()["stream"]
    context.close()
    drawn, arrived = np.array(stream["latencies"]), np.array(stream["arrivals"])
    assert len(arrived) > STEPS, "hardly any live frame came"
    assert len(drawn), "live frames came, none was drawn"
    p95 = float(np.percentile(drawn, 95))
    record_property("live_p95_ms", p95)
    print(
        f"\n{len(arrived)} live frames: stamp to decoded p50 {np.median(arrived):.0f}"
        f" p95 {np.percentile(arrived, 95):.0f} ms; {len(drawn)} drawn: stamp to screen"
        f" p50 {np.median(drawn):.0f} p95 {p95:.0f} ms"
    )
