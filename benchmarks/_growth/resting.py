"""A million checkpoints at rest: what they take in Redis, and how the system starts on them, lists, opens and forks."""

from __future__ import annotations

import base64
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np

from arc_fabric.ledger import Ledger
from arc_fabric.media.frames import encode_png
from arc_fabric.resting import attach
from arc_fabric.resting.rest import rest_tree
from arc_fabric.services.stack import Stack
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store.backends import Backend, backend_from_settings
from benchmarks._growth.resting_trees import Maker
from benchmarks.rows import Report, progress

TOY = "python:tests.support.toy_model:load"
BAR_BYTES = 100.0
_OPENED = 5


def resting(report: Report, nodes: int, per_tree: int = 1000) -> None:
    """Generate it, restart the system on it, and use it over HTTP; one tree is real and is stepped after its fork."""
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        settings = load_settings(data_dir=folder, devices="cpu", flower=False, model=TOY)
        with _up(settings) as (stack, web):
            ledger, backend = _reach(stack)
            real = _real_tree(web, ledger, backend)
            made = _generate(report, ledger, backend, nodes, per_tree)
            ledger.close()
        began = time.perf_counter()
        with _up(settings) as (stack, web):
            report.add("start of the system on it", time.perf_counter() - began, "s", baselines={"nodes": nodes})
            ledger, backend = _reach(stack)
            _use(report, web, ledger, made)
            _fork_and_step(report, web, real)
            ledger.close()


@contextlib.contextmanager
def _up(settings: Settings) -> Iterator[tuple[Stack, httpx.Client]]:
    stack = Stack(settings)
    stack.start()
    try:
        with httpx.Client(base_url=stack.url, timeout=300) as web:
            yield stack, web
    finally:
        stack.stop()


def _reach(stack: Stack) -> tuple[Ledger, Backend]:
    backend = backend_from_settings(stack.settings)
    return attach(Ledger(stack.settings.redis_url), backend), backend


def _ask(web: httpx.Client, method: str, path: str, **request: Any) -> Any:
    answer = web.request(method, path, **request)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def _real_tree(web: httpx.Client, ledger: Ledger, backend: Backend) -> str:
    """A session that was stepped, closed and brought to rest by the product; its head."""
    picture = base64.b64encode(encode_png(np.zeros((32, 32, 3), np.uint8))).decode()
    body = {"prompt": "pick up the red cup", "initial_frame": picture, "seed": 7}
    session = _ask(web, "POST", "/api/sessions?wait=60", json=body)["session_id"]
    _ask(web, "POST", f"/api/sessions/{session}/step?wait=60", json={"steps": 8})
    _ask(web, "POST", f"/api/sessions/{session}/checkpoint?wait=60", json={})
    _ask(web, "DELETE", f"/api/sessions/{session}")
    found = ledger.sessions.get(session)
    tree_id = str(found.tree_id)
    while any(node.durability != "durable" for node in ledger.nodes.tree(tree_id).nodes):
        time.sleep(0.1)
    assert rest_tree(ledger, backend, tree_id)
    return str(found.head)


def _generate(report: Report, ledger: Ledger, backend: Backend, nodes: int, per_tree: int) -> list[str]:
    maker, made, began = Maker(ledger, backend, per_tree), list[str](), time.perf_counter()
    before = _memory(ledger)
    for number in range(nodes // per_tree):
        made.append(maker.make())
        if number % 50 == 49:
            progress(f"  {number + 1} of {nodes // per_tree} trees, {time.perf_counter() - began:.0f} s")
    held = (_memory(ledger) - before) / (per_tree * len(made))
    report.add("Redis bytes per resting node", held, "bytes", at_most=BAR_BYTES,
               baselines={"nodes": per_tree * len(made), "nodes per tree": per_tree})  # fmt: skip
    report.add("generating it", time.perf_counter() - began, "s")
    return made


def _memory(ledger: Ledger) -> int:
    return int(ledger.redis.info("memory")["used_memory"])


def _use(report: Report, web: httpx.Client, ledger: Ledger, made: list[str]) -> None:
    for path in ("/api/sessions?limit=50", "/api/trees?limit=50"):
        report.add(f"GET {path}", _median(lambda path=path: _ask(web, "GET", path)), "s")  # type: ignore[misc]
    middle = f"/api/trees?limit=1&q={made[len(made) // 2][-6:]}"
    assert _ask(web, "GET", middle)["items"]
    report.add("GET /api/trees?q=, found in the middle", _median(lambda: _ask(web, "GET", middle)), "s",
               baselines={"trees": len(made)})  # fmt: skip
    chosen = made[:: max(1, len(made) // _OPENED)][:_OPENED]
    opened = [_opened(web, ledger, tree_id) for tree_id in chosen]
    again = statistics.median(_opened(web, ledger, tree_id)[0] for tree_id in chosen)
    report.add("open a tree: bring it back, first page of 1,000", statistics.median(s for s, _ in opened), "s",
               baselines={"nodes": opened[0][1], "the same while it is here": again})  # fmt: skip


def _opened(web: httpx.Client, ledger: Ledger, tree_id: str) -> tuple[float, int]:
    """Seconds, and the nodes on the page."""
    row = ledger.resting.row(tree_id)
    if row is not None and ledger.core.bed is not None:
        session = next(iter(ledger.core.bed.sessions(tree_id, row["token"])))
    else:
        session = ledger.nodes.get(tree_id).session_id
    began = time.perf_counter()
    answer = _ask(web, "GET", f"/api/sessions/{session}/tree?limit=1000")
    return time.perf_counter() - began, len(answer["nodes"])


def _fork_and_step(report: Report, web: httpx.Client, head: str) -> None:
    began = time.perf_counter()
    session = _ask(web, "POST", f"/api/checkpoints/{head}/fork", json={})["session_id"]
    report.add("fork of a resting checkpoint (of a real tree)", time.perf_counter() - began, "s")
    job = _ask(web, "POST", f"/api/sessions/{session}/step?wait=60", json={"steps": 1})["job"]
    assert job["state"] == "succeeded", job
    report.add("the fork and its first step", time.perf_counter() - began, "s")


def _median(call: Callable[[], object], times: int = 5) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return statistics.median(found)
