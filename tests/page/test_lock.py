"""The panes show the same frame: read from the canvases' pixels, not from what the page says of itself."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.page import coded
from tests.page.view import View
from tests.page.world import World
from tests.services.stack import RunningStack

PLAYED_S = 5
NUMBERS = f"""() => [...document.querySelectorAll(".pane canvas")].map({coded.READ})"""


@pytest.fixture(scope="module")
def grown(page_stack: RunningStack) -> Iterator[tuple[World, list[dict[str, Any]]]]:
    """Three branches of 4 + 6 steps, for all tests that only look at them; their sessions may be closed by then."""
    world = World(page_stack.url)
    yield world, world.branches(4, 6)
    world.close_sessions()
    world.close()


@pytest.fixture
def panes(grown: tuple[World, list[dict[str, Any]]], view: View) -> View:
    """They stand side by side, their frames coded, paused at the start."""
    world, branches = grown
    view.allow("willReadFrequently")  # the tests read the canvases, the page does not
    coded.serve(view.page, world.tree(branches[0]["id"]))
    view.open(world.link(branches, frame=0)).until("s.shown.frame === 0 && s.total === 81")
    return view


def test_random_seeks_show_one_frame_in_all_panes(panes: View, record_property: Any) -> None:
    """100 random seeks, paused: every pane shows exactly the frame asked for."""
    wrong = []
    for frame in random.Random(7).choices(range(81), k=100):
        numbers = panes.seek(frame).page.evaluate(NUMBERS)
        if numbers != [frame] * 3:
            wrong.append((frame, numbers))
    record_property("wrong_seeks", len(wrong))
    assert not wrong


def test_a_storm_of_seeks_never_shows_two_frames(panes: View) -> None:
    """Seeks faster than the screen, while pictures are still loading: no two panes ever differ."""
    panes.page.reload()
    panes.until("s.ready")
    mixed = panes.page.evaluate(
        f"""async () => {{
            const read = {NUMBERS};
            const mixed = [];
            for (let i = 0; i < 150; i += 1) {{
                window.arc.seek((i * 37) % 81);
                if (i % 3) window.arc.seek((i * 53) % 81);
                await new Promise(requestAnimationFrame);
                const numbers = read();
                if (new Set(numbers).size > 1) mixed.push(numbers);
            }}
            return mixed;
        }}"""
    )
    assert mixed == []


def test_seconds_of_play_stay_locked(panes: View, record_property: Any) -> None:
    """Playing, 99 % of the screen's frames show all panes within one frame of each other, at the model's rate."""
    panes.press("Space").until("s.playing")
    samples = panes.page.evaluate(
        f"""async (ms) => {{
            const read = {NUMBERS};
            const samples = [];
            const end = performance.now() + ms;
            while (performance.now() < end) {{
                await new Promise(requestAnimationFrame);
                samples.push([performance.now(), ...read()]);
            }}
            return samples;
        }}""",
        PLAYED_S * 1000,
    )
    table = np.array(samples)
    spread = table[:, 1:].max(1) - table[:, 1:].min(1)
    locked, within = float((spread == 0).mean()), float((spread <= 1).mean())
    steps = np.diff(table[:, 1])
    moved = steps[steps > 0].sum()
    record_property("equal", locked)
    record_property("screen_frames", len(table))
    print(f"\n{len(table)} screen frames: all equal {locked:.2%}, within one {within:.2%}; {moved:.0f} frames played")
    assert within >= 0.99
    assert moved > 0.7 * PLAYED_S * 10 * 0.9, "the play is far slower than the model's rate"


def test_the_canvas_shows_the_servers_pixels(world: World, view: View) -> None:
    """With pixels shown as they are, a pane's canvas has exactly the colours of the server's lossless frame."""
    session = world.plant(2)
    view.open(world.link([session], frame=0))
    view.allow("willReadFrequently").click("Show pixels")
    for frame in (0, 1, 8, 9, 16):
        view.seek(frame)
        png = world.http.get(f"/api/sessions/{session['id']}/frames/{frame}").content
        wanted = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
        got = np.array(
            view.page.evaluate(
                """([rows, columns]) => {
                    const canvas = document.querySelector(".pane canvas");
                    const { width, height } = canvas;
                    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
                    const out = [];
                    for (let y = 0; y < rows; y += 1) for (let x = 0; x < columns; x += 1) {
                        const row = Math.floor(((y + 0.5) * height) / rows);
                        const at = 4 * (row * width + Math.floor(((x + 0.5) * width) / columns));
                        out.push([data[at], data[at + 1], data[at + 2]]);
                    }
                    return out;
                }""",
                list(wanted.shape[:2]),
            )
        ).reshape(wanted.shape)
        assert np.array_equal(got, wanted), f"frame {frame} differs"
