"""Pictures that say which frame they are: eight black or white squares spell the frame number in binary."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from PIL import Image

SIDE = 64
BITS = 8
CELL = SIDE // BITS
READ = f"""(canvas) => {{
    const ctx = canvas.getContext("2d");
    const cell = canvas.width / {BITS};
    let number = 0;
    for (let bit = 0; bit < {BITS}; bit += 1) {{
        const [red] = ctx.getImageData(Math.floor((bit + 0.5) * cell), Math.floor(canvas.height / 2), 1, 1).data;
        number = number * 2 + (red > 127 ? 1 : 0);
    }}
    return number;
}}"""
"""JavaScript: the number on a canvas, read from its pixels."""


def strip(first: int, count: int) -> bytes:
    """The PNG strip of frames first .. first + count - 1."""
    out = np.zeros((count, SIDE, SIDE, 3), np.uint8)
    for i in range(count):
        for bit in range(BITS):
            if (first + i) >> (BITS - 1 - bit) & 1:
                out[i, :, bit * CELL : (bit + 1) * CELL] = 255
    data = io.BytesIO()
    Image.fromarray(out.reshape(count * SIDE, SIDE, 3)).save(data, "PNG")
    return data.getvalue()


def serve(page: Any, nodes: list[dict[str, Any]]) -> None:
    """Answer the page's requests for frames of these nodes with coded strips."""
    steps = {node["id"]: node["frame_index"] for node in nodes}

    def answer(route: Any) -> None:
        node = re.search(r"/checkpoints/(\w+)/frames$", route.request.url)
        step = steps[node[1]] if node else 0
        body = strip(0, 1) if step == 0 else strip(8 * (step - 1) + 1, 8)
        route.fulfill(body=body, content_type="image/png")

    page.route(re.compile(r"/api/checkpoints/\w+/frames$"), answer)
