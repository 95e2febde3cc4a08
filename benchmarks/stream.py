"""What viewers cost: python -m benchmarks.stream [--json] [--viewers 50] [--rounds 4]. See benchmarks/README.md.

The whole system on one CPU worker; steps are timed with no viewer and with many, in turn. One more viewer
never reads: it must harm no one.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from arc_fabric.client import ArcFabric, RemoteSession
from benchmarks._stack import running
from benchmarks.rows import Report, progress

WINDOW = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.stream", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4, help="pairs of rounds, without and with viewers")
    parser.add_argument("--steps", type=int, default=8, help="steps per round")
    parser.add_argument("--model", default="tabletop")
    options = parser.parse_args(argv)
    report = Report("stream")
    with running(options.model) as fabric:
        session = fabric.new_session("pick up the red cup", seed=7)
        session.step(WINDOW)
        alone: list[float] = []
        watched: list[float] = []
        seen: list[dict[str, Any]] = []
        for number in range(options.rounds):
            progress(f"round {number + 1} of {options.rounds} ...")
            alone += timed(session, options.steps)[0]
            with viewers(fabric.transport.url, session.id, options.viewers) as found, stuck(fabric, session):
                walls, commits = timed(session, options.steps)
                watched += walls
            seen += [viewer | {"expected": commits} for viewer in found]
    _rows(report, alone, watched, seen, options.viewers)
    return report.finish(as_json=options.json)


def _rows(report: Report, alone: list[float], watched: list[float], seen: list[dict[str, Any]], viewers: int) -> None:
    ratio = statistics.median(watched) / statistics.median(alone)
    walls = {"alone_median_s": round(statistics.median(alone), 4), "steps": len(alone), "viewers": viewers}
    report.add(f"step time, {viewers} viewers and a stuck one / none", ratio, "ratio", at_most=1.1, baselines=walls)
    missed = sum(viewer["commits"] != viewer["expected"] for viewer in seen)
    report.add("viewers that missed, repeated or reordered a commit", missed, "viewers", at_most=0)
    delays = sorted(delay for viewer in seen for delay in viewer["delays_ms"])
    facts = {"p50_ms": round(delays[len(delays) // 2], 1), "frames_received": len(delays)}
    report.add("frame delay from worker to viewer, p95", delays[int(len(delays) * 0.95)], "ms", baselines=facts)


def timed(session: RemoteSession, steps: int) -> tuple[list[float], list[str]]:
    """Wall seconds and checkpoint ids of some steps in one job."""
    made = session.step(steps)
    return [step.wall_s for step in made], [step.checkpoint_id for step in made]


@contextmanager
def viewers(url: str, session_id: str, count: int) -> Iterator[list[dict[str, Any]]]:
    """So many viewers for a while; the list is filled at the end with what they saw."""
    command = [sys.executable, "-m", "benchmarks._stream_viewers", url, session_id, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the viewers could not connect")
        found: list[dict[str, Any]] = []
        try:
            yield found
        finally:
            output, _ = process.communicate(timeout=60)
            found += json.loads(output.splitlines()[-1])


@contextmanager
def stuck(fabric: ArcFabric, session: RemoteSession) -> Iterator[None]:
    """A viewer with a tiny buffer that never reads."""
    host, port = fabric.transport.url.removeprefix("http://").split(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        sock.sendall(
            f"GET /ws/sessions/{session.id}/stream HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        yield


if __name__ == "__main__":
    sys.exit(main())
