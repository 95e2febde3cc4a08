"""Screenshots of the page's faces, for people to look at: build/screenshots (not in the repository).

python -m pytest tests/page/test_shots.py makes them: first visit, demo, evaluation, a tree of 1,000 and a grid of
200 at 390, 900, 1280 and 1920 pixels. In the dark theme; the light one has the same boxes and is marked slow: -m "slow
or not slow" makes both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks._page import grown
from tests.page.view import SEEN_WHOLE, View
from tests.page.world import World

SIZES = ((1280, 800), (1920, 1080))
HEIGHTS = {390: 860, 900: 860} | dict(SIZES)
"""Of the window, by its width."""
THEMES = ["dark", pytest.param("light", marks=pytest.mark.slow)]
NARROW = 1120
"""Below that tree, videos and controls are shown one at a time."""
BEYOND = """() => [...document.querySelectorAll("button, input, select, textarea, canvas, h2, h3")].filter((el) => {
    const box = el.getBoundingClientRect();
    const scrolls = el.closest(".tree-box, .matrix, .minimap");
    return box.width && !scrolls && (box.right > innerWidth + 1 || box.left < -1);
}).map((el) => el.outerHTML.slice(0, 90))"""
CUT = """() => [...document.querySelectorAll("button, .chip, h2, h3, label:not(.sample), legend")].filter((el) => {
    const style = getComputedStyle(el);
    return el.clientWidth && el.scrollWidth > el.clientWidth + 1 && style.textOverflow !== "ellipsis"
        && style.overflowX !== "auto" && !el.classList.contains("visually-hidden") && !el.closest(".tree-box");
}).map((el) => el.outerHTML.slice(0, 90))"""
STILL = """async () => {
    for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
}"""


@pytest.fixture(scope="module")
def demo(page_stack: Any) -> Iterator[tuple[World, list[dict[str, Any]]]]:
    """The demo's tree: a trunk of 8 steps, three forks of 8, the third failed, rewound and tried again."""
    world = World(page_stack.url)
    trunk = world.plant(8, label="trunk")
    wishes = (
        {"label": "A again"},
        {"label": "B push left", "new_prompt": "push the cup to the left"},
        {"label": "C seed 42", "new_seed": 42},
    )
    branches = [world.fork(trunk, steps=8, **wish) for wish in wishes]
    world.ok("PATCH", f"/api/nodes/{branches[2]['head']}", json={"failed": True, "score": 0.2})
    world.ok("POST", f"/api/checkpoints/{trunk['head']}/pin")
    world.ok("PATCH", f"/api/nodes/{branches[0]['head']}", json={"bookmarked": True})
    world.ok("POST", f"/api/checkpoints/{branches[0]['head']}/pin")
    world.wait(
        world.ok("POST", f"/api/sessions/{branches[2]['id']}/rewind", json={"checkpoint_id": trunk["head"]})["job"]
    )
    world.step(branches[2]["id"], steps=8, prompt="carefully pick up the red cup")
    yield world, branches
    for pinned in (trunk["head"], branches[0]["head"]):
        world.ok("POST", f"/api/checkpoints/{pinned}/unpin")
    world.close_sessions()
    world.close()


def at_all_widths(view: View) -> Iterator[int]:
    """Every width in turn."""
    for width, height in HEIGHTS.items():
        view.page.set_viewport_size({"width": width, "height": height})
        yield width


def save(view: View, shots: Path, name: str) -> None:
    """Take the picture when all is there; see that it is not blank, scrolls not sideways and cuts nothing."""
    view.until("[...document.images].every((img) => img.complete || img.loading === 'lazy')")
    view.page.evaluate(STILL)
    path = shots / f"{name}.png"
    width = view.page.viewport_size["width"]
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert (view.page.evaluate(BEYOND), view.page.evaluate(CUT)) == ([], []), name
    view.page.screenshot(path=path)
    colours = Image.open(path).convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 100, f"{path} is blank"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
def test_screenshots(demo: Any, chromium: Any, shots: Path, size: tuple[int, int], theme: str) -> None:
    """Side by side, wipe, difference, grid and fork form, in this size and theme."""
    world, branches = demo
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    view = View(context.new_page())
    tag = f"{size[0]}-{theme}"
    view.open(world.link(branches, frame=100), theme=theme).until("s.shown.frame === 100 && s.compare")
    view.press("?").page.locator("dialog.help").wait_for()
    save(view, shots, f"help-{tag}")
    view.press("Escape").press("w").until("s.mode === 'wipe' && s.shown.draws > 1")
    save(view, shots, f"wipe-{tag}")
    view.press("d").until("s.mode === 'diff'")
    save(view, shots, f"difference-{tag}")
    view.press("d").seek(76).press("g")
    save(view, shots, f"fork-{tag}")
    view.click("Branches").until("s.view === 'grid'")
    view.until("[...document.querySelectorAll('.card img')].every((img) => img.complete && img.naturalWidth)")
    save(view, shots, f"grid-{tag}")
    context.close()


@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_of_the_first_visit(world: World, view: View, shots: Path, theme: str) -> None:
    """Nothing is there yet: one large button, whatever the width."""
    nothing: dict[str, Any] = {"items": [], "next": None}
    for what in ("sessions", "jobs", "trees"):
        view.page.route(re.compile(rf"/api/{what}(\?.*)?$"), lambda route: route.fulfill(json=nothing))
    greeting = '{"type":"hello","sessions":[],"last_id":"0-0"}'
    view.page.route_web_socket("**/ws/stream", lambda socket: socket.send(greeting))
    view.open(world.url + "/", theme=theme).until("s.treeStatus === 'empty'")
    for width in at_all_widths(view):
        assert view.page.get_by_role("button", name="Start a first session").is_visible()
        save(view, shots, f"first-visit-{width}-{theme}")


@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_of_the_demo(demo: Any, view: View, shots: Path, theme: str) -> None:
    """The demo's three branches, from a phone to a large screen."""
    world, branches = demo
    view.open(world.link(branches, frame=100), theme=theme).until("s.shown.frame === 100 && s.compare")
    for width in at_all_widths(view):
        for face in ("Tree", "Controls", "Videos") if width < NARROW else ("",):
            if face:
                view.page.locator(".face", has_text=face).click()
            if face in ("Tree", ""):
                view.until("document.querySelectorAll('.tree-canvas .thumb').length === 4")
            if not face:
                view.until(SEEN_WHOLE)
            save(view, shots, "-".join(filter(None, ("demo", face.lower(), str(width), theme))))


@pytest.mark.parametrize("width", [900, 390])
def test_a_narrow_window(demo: Any, view: View, width: int) -> None:
    """Tree, videos, controls one at a time; playback is in reach, what a key or a click leads to comes into view."""
    world, branches = demo
    view.page.set_viewport_size({"width": width, "height": 860})
    view.open(world.link(branches, frame=100)).until("s.shown.frame === 100")
    panels = {"Tree": "#tree", "Controls": "#controls", "Videos": "#stage"}
    for name, panel in panels.items():
        view.page.locator(".face", has_text=name).click()
        assert [view.page.locator(other).is_visible() for other in panels.values()] == [
            other == panel for other in panels.values()
        ]
    play = view.page.get_by_role("button", name="Play", exact=True).bounding_box()
    assert play is not None
    assert play["y"] + play["height"] < 860
    view.press("g")
    assert view.page.locator("#fork-form").is_visible()
    view.page.locator(".face", has_text="Tree").click()
    view.page.locator(".tree-canvas .dot").last.dblclick()
    view.page.locator("#stage").wait_for(state="visible")


@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_of_many_branches(world: World, view: View, shots: Path, theme: str) -> None:
    """A tree of 1,000, a grid of 200, an evaluation: from a phone to a large screen, none scrolls sideways."""
    trunk = world.plant(1, label="trunk")
    plan = {
        "checkpoints": [trunk["head"]],
        "prompts": ["pick up the red cup", "push the cup to the left"],
        "steps": 1,
    }
    made = world.ok("POST", "/api/evaluations", json=plan | {"seeds": list(range(12)), "label": "which verb works"})
    matrix = f"{world.link([trunk])}&view=evaluations&evaluation={made['evaluation']['id']}"
    view.open(matrix, theme=theme).page.locator(".eval-title .chip", has_text="finished").wait_for(timeout=120_000)
    view.until("document.querySelectorAll('.cell img').length === 24")
    view.until("[...document.querySelectorAll('.cell img')].every((img) => img.complete)")
    for width in at_all_widths(view):
        # the sheet is read anew for another width; on a phone three seeds stand side by side, however narrow it is
        view.until("((m) => m.scrollWidth <= m.clientWidth + 1)(document.querySelector('.matrix'))")
        save(view, shots, f"evaluation-{width}-{theme}")
    grown.show(view.page, world.url, grown.tree(1_000, 200), trunk)
    view.until("s.ready && s.nodes === 1000")
    for width in at_all_widths(view):
        if width < NARROW:
            view.page.locator(".face", has_text="Tree").click()
        tip = "document.querySelector('.item.selected .dot').getBoundingClientRect()"
        view.until(f"document.querySelectorAll('.thumb').length > 3 && {tip}.right < innerWidth && {tip}.top > 0")
        save(view, shots, f"tree-1000-{width}-{theme}")
    view.click("Branches").until("document.querySelectorAll('.card').length === 200")
    view.page.get_by_label("Group by").select_option("seed")
    for width in at_all_widths(view):
        save(view, shots, f"grid-200-{width}-{theme}")
