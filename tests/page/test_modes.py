"""The ways to compare. Each branch gets frames of one plain colour, so that a pixel says whose it is."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.page.view import View
from tests.page.world import World

COLOURS = {"same": (200, 40, 40), "push": (40, 200, 40), "seed 42": (40, 200, 40)}
"""The last two look the same: their difference must be none."""
PIXEL = """([x, y]) => {
    const canvas = document.querySelector(".overlay canvas");
    if (!canvas) return null;  // the overlay is being built anew
    const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
    const { data } = canvas.getContext("2d").getImageData(...at, 1, 1);
    return [data[0], data[1], data[2]];
}"""

PAINTED = f"!['null', '0,0,0'].includes(String(({PIXEL})([0.5, 0.2])))"
"""The overlay shows a picture; a canvas has a size before that."""


@pytest.fixture
def three(world: World, view: View) -> View:
    """Three branches in panes, paused at the last frame, each in its colour."""
    branches = world.branches(1, 1)
    colour_of = {branch["head"]: COLOURS[branch["label"]] for branch in branches}

    def answer(route: Any) -> None:
        node = re.search(r"/checkpoints/(\w+)/frames", route.request.url)
        colour = colour_of.get(node[1] if node else "", (10, 20, 30))
        data = io.BytesIO()
        Image.fromarray(np.full((8 * 64, 64, 3), colour, np.uint8)).save(data, "PNG")
        route.fulfill(body=data.getvalue(), content_type="image/png")

    view.page.route(re.compile(r"/api/checkpoints/\w+/frames"), answer)
    return view.allow("willReadFrequently").open(world.link(branches, frame=16)).until("s.shown.frame === 16")


def pixel(view: View, x: float, y: float = 0.2) -> tuple[int, ...]:
    """A colour on the overlay's canvas, x and y from 0 to 1."""
    return tuple(view.until(PAINTED).page.evaluate(PIXEL, [x, y]))


def test_side_by_side(three: View) -> None:
    """Three panes, each named, one of them active."""
    assert three.page.locator(".pane").count() == 3
    assert three.page.locator(".pane.active").count() == 1
    assert [el.inner_text() for el in three.page.locator(".pane-title").all()] == list(COLOURS)


def test_wipe(three: View) -> None:
    """Left of the line is A, right of it B; pointer and arrow keys move the line; S swaps the two."""
    red, green = COLOURS["same"], COLOURS["push"]
    three.press("w").until("s.mode === 'wipe'").until(PAINTED)
    assert (pixel(three, 0.1), pixel(three, 0.9)) == (red, green)
    box = three.page.locator(".overlay canvas").bounding_box()
    three.page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 50)
    three.until("s.wipe > 0.9")
    assert pixel(three, 0.9) == red
    three.page.locator(".overlay").focus()
    for _ in range(30):
        three.press("ArrowLeft")
    assert pixel(three, 0.5) == green
    before = three.state()["panes"][0]["nodeId"]
    draws = three.state()["shown"]["draws"]
    three.press("s").until(f"s.panes[1].nodeId === '{before}' && s.shown.draws > {draws}")
    assert (pixel(three, 0.1), pixel(three, 0.9)) == (green, red)


def test_blink(three: View) -> None:
    """The picture changes between A and B by itself."""
    three.press("x").until("s.mode === 'blink'").until(PAINTED)
    seen = three.page.evaluate(
        f"""async () => {{
            const seen = new Set();
            const end = performance.now() + 3000;
            while (seen.size < 2 && performance.now() < end) {{
                const colour = ({PIXEL})([0.5, 0.5]);
                if (colour) seen.add(String(colour));
                await new Promise(requestAnimationFrame);
            }}
            return [...seen];
        }}"""
    )
    assert set(seen) == {"200,40,40", "40,200,40"}


def test_difference(three: View) -> None:
    """Where two branches differ it glows, where they are equal there is only the dim picture, and the words say so."""
    three.press("d").until("s.mode === 'diff'").until(PAINTED)
    assert max(pixel(three, 0.5)) > 200
    assert "largest 160 of 255" in three.page.locator(".overlay-caption").inner_text()
    three.click("B·C").until("s.pair[0] === 1 && s.pair[1] === 2")
    three.page.get_by_text("B and C are identical in this frame").wait_for()
    assert max(pixel(three, 0.5)) < 30


def test_facts_of_the_comparison(world: World, view: View) -> None:
    """The server's word on equality and the parameters that differ stand under the videos."""
    branches = world.branches(1, 1)
    twin = world.fork(world.session(branches[0]["parent_session"]), steps=1, label="twin")
    view.open(world.link([branches[0], twin, branches[2]], frame=0)).until("s.compare")
    state = view.state()["compare"]
    assert state["equal"][f"{branches[0]['head']}|{twin['head']}"] is True
    table = view.page.locator(".diff-table")
    table.locator("tr.differs").first.wait_for()
    differing = table.locator("tr.differs th").all_inner_texts()
    assert "Seed" in differing
    assert "Prompt" not in differing
    assert view.page.locator(".plots").is_visible()
    assert view.page.get_by_role("img", name="Difference over time").is_visible()
