"""Many viewers in one process: python -m benchmarks._stream_viewers URL SESSION COUNT; ends when its stdin does.

Prints one JSON object: what each viewer saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from arc_fabric.media.frames import unpack_live


@dataclass
class Seen:
    """What one viewer got."""

    commits: list[str] = field(default_factory=list)
    frames: int = 0
    delays_ms: list[float] = field(default_factory=list)
    """From the worker's stamp to the viewer, per frame."""


async def watch(url: str, session_id: str, seen: Seen, ready: asyncio.Semaphore) -> None:
    """One viewer that draws at once."""
    async with connect(f"ws{url[4:]}/ws/stream", compression=None, max_size=1 << 24) as ws:
        await ws.recv()
        await ws.send(json.dumps({"type": "subscribe", "session_ids": [session_id], "last_id": None}))
        ready.release()
        try:
            async for message in ws:
                await take(ws, message, seen)
        except (ConnectionClosed, asyncio.CancelledError):
            return


async def take(ws: ClientConnection, message: str | bytes, seen: Seen) -> None:
    """Note a message; a frame is paid for at once."""
    if isinstance(message, bytes):
        header, _ = unpack_live(message)
        seen.frames += 1
        seen.delays_ms.append(1000 * (time.time() - header.time))
        await ws.send('{"type":"credit","pane":0,"n":1}')
        return
    body = json.loads(message)
    if body.get("kind") == "node.committed":
        seen.commits.append(body["data"]["id"])


async def main(url: str, session_id: str, count: int) -> None:
    """Connect all, say so, and read until standard input ends."""
    all_seen = [Seen() for _ in range(count)]
    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(watch(url, session_id, seen, ready)) for seen in all_seen]
    for _ in range(count):
        await ready.acquire()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps([vars(seen) for seen in all_seen]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
