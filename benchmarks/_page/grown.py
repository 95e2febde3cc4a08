"""Trees of any size as the server would send them, too large to compute; a page that shows one, and how it grows."""

from __future__ import annotations

import io
import json
import re
from functools import cache
from typing import Any

from PIL import Image, ImageDraw

JSON = "application/json"
PICTURE = re.compile(r"/api/checkpoints/ckp_(\d+)/(frames|frames/\d+|thumbnail\?width=\d+)$")


def node(n: int, parent: dict[str, Any] | None, session: str, **fields: Any) -> dict[str, Any]:
    """A node in the server's shape."""
    step = parent["frame_index"] + 1 if parent else 0
    made = {
        "id": f"ckp_{n:026d}", "parent": parent["id"] if parent else None, "session_id": session,
        "tree_id": f"ckp_{0:026d}", "frame_index": step, "created": 1.7e9 + n,
        "prompt": f"push the cup {n % 7} cm to the left", "seed": n % 5, "prompt_mode": "keep",
        "action_source": "predicted" if parent else None,
        "actions": [[0.1, -0.2, 0.3, 1.0]] * 8 if parent else None, "state": None,
        "durability": "durable", "failed": n % 97 == 96, "label": None, "bookmarked": n % 211 == 210,
        "score": (n % 100) / 100, "score_better": None, "note": None, "tags": [],
        "bytes_new": 700_000, "bytes_total": 2_700_000, "wall_s": 0.3,
        "job_id": None, "worker": "gpu.0", "window_start": 0, "n_frames": 8 if parent else 1, "children": [],
    }  # fmt: skip
    if parent:
        parent["children"].append(made["id"])
    return made | fields


def tree(size: int, branches: int, trunk: int = 40) -> list[dict[str, Any]]:
    """`size` nodes: a trunk, and branches that leave it and each other all along; as many leaves as branches."""
    nodes = [node(0, None, "ses_" + "0" * 26)]
    while len(nodes) < trunk:
        nodes.append(node(len(nodes), nodes[-1], "ses_" + "0" * 26))
    length = (size - trunk) // branches
    for b in range(branches):
        session = f"ses_{b + 1:026d}"
        at = nodes[trunk - 1] if b == 0 else nodes[(b * 7919) % len(nodes)]
        while b and not at["children"]:
            at = nodes[int(at["parent"][4:])]
        for _ in range(length if b < branches - 1 else size - len(nodes)):
            at = node(len(nodes), at, session)
            nodes.append(at)
    return nodes


@cache
def picture(kind: int, frames: int) -> bytes:
    """A made-up scene, a block on a table that moves from frame to frame; PNG with so many frames below each other."""
    strip = Image.new("RGB", (64, 64 * frames), (200, 205, 214))
    draw = ImageDraw.Draw(strip)
    colour = ((196, 58, 48), (46, 92, 190), (60, 140, 80), (214, 170, 40))[kind % 4]
    for frame in range(frames):
        top, x = 64 * frame, 6 + (kind * 5 + frame * 2) % 40
        draw.rectangle((0, top + 30, 63, top + 63), fill=(168, 156, 142))
        draw.rectangle((x, top + 38, x + 12, top + 50), fill=colour)
    data = io.BytesIO()
    strip.save(data, "PNG")
    return data.getvalue()


def _send_picture(route: Any) -> None:
    """What the page asks for of a checkpoint: all its frames, one of them, or a small one."""
    number, what = PICTURE.search(route.request.url).groups()  # type: ignore[union-attr]
    body = picture(int(number) * 7919 % 43, 8 if what == "frames" and int(number) else 1)
    route.fulfill(body=body, content_type="image/png")


def show(page: Any, url: str, nodes: list[dict[str, Any]], session: dict[str, Any]) -> list[Any]:
    """Go to the page with these nodes for a tree, its last branch in the pane; the page's sockets."""
    page.route(PICTURE, _send_picture)
    sockets = serve(page, nodes, session)
    page.goto(f"{url}/?session={nodes[-1]['session_id']}&frame=0")
    return sockets


def grow(nodes: list[dict[str, Any]], socket: Any) -> None:
    """One more node at the end of the last branch."""
    nodes.append(node(len(nodes), nodes[-1], nodes[-1]["session_id"]))
    socket.send(commit(len(nodes), nodes[-1]))


def serve(page: Any, nodes: list[dict[str, Any]], session: dict[str, Any]) -> list[Any]:
    """Answer the page's request for the session's tree with these nodes; the list gets the page's sockets."""
    sessions = {item["session_id"]: item for item in nodes}
    root, newest = nodes[0]["id"], nodes[-1]["session_id"]
    views = [
        session | {"id": sid, "tree_id": root, "root": root, "head": last["id"], "frame_index": last["frame_index"],
                   "label": None, "state": "open" if sid == newest else "closed"}
        for sid, last in sessions.items()
    ]  # fmt: skip
    listed = {"items": views[:1] + views[-1:], "next": None}
    body = json.dumps(
        {"tree_id": nodes[0]["id"], "root": nodes[0]["id"], "nodes": nodes, "sessions": views, "next": None}
    )
    page.route(re.compile(r"/api/sessions(\?.*)?$"), lambda route: route.fulfill(json=listed))
    page.route(re.compile(r"/api/sessions/\w+/tree"), lambda route: route.fulfill(body=body, content_type=JSON))
    sockets: list[Any] = []

    def relay(socket: Any) -> None:
        """A server that greets and then only says what the test makes it say."""
        sockets.append(socket)
        socket.on_message(lambda _: None)
        socket.send(json.dumps({"type": "hello", "sessions": [], "last_id": "0-0"}))

    page.route_web_socket(re.compile("/ws/stream"), relay)
    return sockets


def commit(n: int, made: dict[str, Any]) -> str:
    """The event that a node was committed."""
    return json.dumps(
        {
            "type": "event",
            "id": f"1-{n}",
            "session_id": made["session_id"],
            "kind": "node.committed",
            "time": 1.0,
            "data": made,
        }
    )
