"""Screenshots of the page's faces, for people to look at: build/screenshots (not in the repository)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks._page import grown
from tests.page.view import View
from tests.page.world import World

SIZES = ((1280, 800), (1920, 1080))


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


def save(view: View, shots: Path, name: str) -> None:
    """Take the picture and see that it is not blank."""
    path = shots / f"{name}.png"
    view.page.screenshot(path=path)
    colours = Image.open(path).convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 100, f"{path} is blank"


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
def test_screenshots(demo: Any, chromium: Any, shots: Path, size: tuple[int, int], theme: str) -> None:
    """Side by side, wipe, difference, grid, fork form and the empty page, in this size and theme."""
    world, branches = demo
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    view = View(context.new_page())
    tag = f"{size[0]}-{theme}"
    view.open(world.link(branches, frame=100), theme=theme).until("s.shown.frame === 100 && s.compare")
    save(view, shots, f"demo-{tag}")
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
    view.page.route("**/api/sessions?*", lambda route: route.fulfill(json={"items": [], "next": None}))
    view.page.route("**/api/sessions", lambda route: route.fulfill(json={"items": [], "next": None}))
    view.page.route_web_socket(
        "**/ws/stream", lambda socket: socket.send('{"type":"hello","sessions":[],"last_id":"0-0"}')
    )
    view.open(world.url + "/", theme=theme).until("s.treeStatus === 'empty'")
    save(view, shots, f"empty-{tag}")
    context.close()


@pytest.mark.parametrize("width", [900, 390])
def test_a_narrow_window(demo: Any, view: View, shots: Path, width: int) -> None:
    """Tree, videos and controls one at a time, each without scrolling sideways, every control in view;
    playback is in reach, and what a key or a click leads to comes into view."""
    world, branches = demo
    view.page.set_viewport_size({"width": width, "height": 860})
    view.open(world.link(branches, frame=100)).until("s.shown.frame === 100")
    panels = {"Tree": "#tree", "Controls": "#controls", "Videos": "#stage"}
    for name, panel in panels.items():
        view.page.locator(".face", has_text=name).click()
        assert [view.page.locator(other).is_visible() for other in panels.values()] == [
            other == panel for other in panels.values()
        ]
        view.page.screenshot(path=shots / f"demo-{width}-{name.lower()}-dark.png")
        cut = view.page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, textarea, canvas")].filter((el) => {
                const box = el.getBoundingClientRect();
                return box.width && (box.right > innerWidth + 1 || box.left < -1);
            }).map((el) => el.outerHTML.slice(0, 90))"""
        )
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width
        assert cut == []
    play = view.page.get_by_role("button", name="Play", exact=True).bounding_box()
    assert play is not None
    assert play["y"] + play["height"] < 860
    view.press("g")
    assert view.page.locator("#fork-form").is_visible()
    view.page.locator(".face", has_text="Tree").click()
    view.page.locator(".tree-canvas .dot").last.dblclick()
    view.page.locator("#stage").wait_for(state="visible")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_screenshots_of_many_branches(demo: Any, view: View, shots: Path, theme: str) -> None:
    """A tree of 1,000, a grid of 200, an evaluation: from a phone to a large screen, none scrolls sideways."""
    world, branches = demo
    plan = {
        "checkpoints": [branches[0]["head"]],
        "prompts": ["pick up the red cup", "push the cup to the left"],
        "steps": 1,
    }
    made = world.ok("POST", "/api/evaluations", json=plan | {"seeds": list(range(12)), "label": "which verb works"})
    matrix = f"{world.link(branches[:1])}&view=evaluations&evaluation={made['evaluation']['id']}"
    widths = (390, 900, 1280, 1920)

    def at_all_widths(name: str) -> None:
        for width in widths:
            view.page.set_viewport_size({"width": width, "height": 860 if width < 1000 else width * 10 // 16})
            view.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            save(view, shots, f"{name}-{width}-{theme}")
            assert view.page.evaluate("document.documentElement.scrollWidth") <= width

    view.open(matrix, theme=theme).page.locator(".eval-title .chip", has_text="finished").wait_for(timeout=120_000)
    view.until("document.querySelectorAll('.cell img').length === 24")
    view.until("[...document.querySelectorAll('.cell img')].every((img) => img.complete)")
    at_all_widths("evaluation")
    grown.show(view.page, world.url, grown.tree(1_000, 200), branches[0])
    view.until("s.ready && s.nodes === 1000 && s.tree.drawn > 0")
    view.page.set_viewport_size({"width": 900, "height": 860})
    view.page.locator(".face", has_text="Tree").click()
    at_all_widths("tree-1000")
    view.page.set_viewport_size({"width": 1280, "height": 800})
    view.click("Branches").until("document.querySelectorAll('.card').length === 200")
    view.page.get_by_label("Group by").select_option("seed")
    at_all_widths("grid-200")
