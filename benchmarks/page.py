"""What large trees cost the page: python -m benchmarks.page [--json] [--rounds 3]. See benchmarks/README.md.

Server and page are the real ones; the nodes are made up in the server's shape. Trees of all sizes grow in turns, in
pages of one browser; the smallest is what the others are held against.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any

import httpx

from benchmarks._jobs.world import TOY, any_sample
from benchmarks._page import browser, grown
from benchmarks._stack import running
from benchmarks.rows import NOT_HERE, Report, progress

SMALL = (100, 5)
LARGE = {(5_000, 150): (1000, 16), (20_000, 400): (4000, 80)}
"""Nodes and branches: milliseconds until it is on screen, and for one more node above what that takes in SMALL."""
UPDATES = 40
_FRAMES = "async (n) => { for (let i = 0; i < n; i += 1) await new Promise(requestAnimationFrame); }"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns 1 when a bar is missed, 3 without a browser."""
    parser = argparse.ArgumentParser(prog="benchmarks.page", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--rounds", type=int, default=3, help=f"turns of {UPDATES} updates of each tree")
    options = parser.parse_args(argv)
    binary = browser.path()
    if binary is None:
        progress(browser.ABSENT)
        return NOT_HERE
    report = Report("page")
    with running(TOY) as fabric, browser.browser(binary) as chromium:
        session = fabric.new_session("page", seed=7, initial_frame=any_sample())
        view = httpx.get(f"{fabric.transport.url}/api/sessions/{session.id}").json()
        trees = {size: Tree(chromium, fabric.transport.url, view, *size) for size in (SMALL, *LARGE)}
        for number in range(options.rounds):
            progress(f"round {number + 1} of {options.rounds} ...")
            for tree in trees.values():
                tree.grow(UPDATES)
        _rows(report, trees)
    return report.finish(as_json=options.json)


def _rows(report: Report, trees: dict[tuple[int, int], Tree]) -> None:
    small = trees[SMALL]
    for size, (ready_ms, update_ms) in LARGE.items():
        tree, name = trees[size], f"tree of {size[0]:,} nodes"
        beside = {f"{SMALL[0]} nodes": round(small.ready_ms, 1)}
        report.add(f"{name}: on screen after the answer", tree.ready_ms, "ms", at_most=ready_ms, baselines=beside)
        beside = {f"{SMALL[0]} nodes": round(p95(small.updates), 1), "median": round(median(tree.updates), 1)}
        report.add(f"{name}: one more node, p95", p95(tree.updates), "CPU ms", baselines=beside)
        above = p95(tree.updates) - p95(small.updates)
        report.add(f"{name}: one more node, p95 above that of {SMALL[0]}", above, "CPU ms", at_most=update_ms)
        ratio = median(tree.updates) / median(small.updates)
        report.add(f"{name}: one more node / in one of {SMALL[0]}", ratio, "ratio", baselines={"drawn": tree.drawn()})


def p95(values: list[float]) -> float:
    """The value below which 95 of 100 lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


class Tree:
    """A page that shows a made-up tree, its last branch in the pane."""

    def __init__(self, chromium: Any, url: str, session: dict[str, Any], size: int, branches: int) -> None:
        self._page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
        self._nodes = grown.tree(size, branches)
        self._sockets = grown.show(self._page, url, self._nodes, session)
        self._until(lambda state: state["ready"] and state["nodes"] == size and state["tree"]["drawn"] > 0)
        self.ready_ms = float(self._state()["tree"]["openedMs"])
        self.updates: list[float] = []
        """Of each node that was added: script, style, layout and paint on the main thread, in CPU milliseconds (so that
        other work on the machine counts less)."""
        self._cdp = self._page.context.new_cdp_session(self._page)
        self._cdp.send("Performance.enable", {"timeDomain": "threadTicks"})

    def grow(self, count: int) -> None:
        """Commit nodes one by one at the end of the last branch."""
        self._page.bring_to_front()
        for _ in range(count):
            before = self._spent()
            grown.grow(self._nodes, self._sockets[-1])
            self._page.evaluate(_FRAMES, 2)
            self.updates.append(self._spent() - before)
        size = len(self._nodes)
        self._until(lambda state: state["nodes"] == size and state["tree"]["nodes"] == size)

    def drawn(self) -> int:
        """Elements of the tree that exist on the page."""
        return int(self._state()["tree"]["drawn"])

    def _state(self) -> dict[str, Any]:
        return self._page.evaluate("window.arc && window.arc.state()")

    def _until(self, met: Any, timeout_ms: int = 60_000) -> None:
        for _ in range(timeout_ms // 50):
            state = self._state()
            if state and met(state):
                return
            self._page.wait_for_timeout(50)
        raise RuntimeError(f"the page did not get there within {timeout_ms / 1000:g} s: {self._state()}")

    def _spent(self) -> float:
        metrics = {metric["name"]: metric["value"] for metric in self._cdp.send("Performance.getMetrics")["metrics"]}
        return 1000 * metrics["TaskDuration"]


if __name__ == "__main__":
    sys.exit(main())
