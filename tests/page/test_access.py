"""axe-core on every face of the page, in both themes: no serious or critical violation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.page.view import View
from tests.page.world import World

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
BAD = ("serious", "critical")


def violations(view: View) -> list[tuple[str, str, list[str]]]:
    """What axe finds of the bad kinds: rule, help, where."""
    found: list[dict[str, Any]] = view.page.evaluate("async () => (await axe.run(document)).violations")
    return [
        (
            item["id"],
            item["help"],
            [f"{node['html'][:140]} {node['failureSummary'][:160]}" for node in item["nodes"][:4]],
        )
        for item in found
        if item["impact"] in BAD
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_serious_violation(world: World, view: View, theme: str) -> None:
    """Videos, each tab, comparison, grid, evaluations and every dialog."""
    branches = world.branches(1, 1)
    view.open(world.link(branches, frame=12), theme=theme).until("s.shown.frame === 12 && s.compare")
    view.page.evaluate(AXE.read_text())
    faces = {"videos": violations(view)}
    for tab in ("Fork", "New", "Sessions", "History"):
        faces[tab] = violations(view.click(tab, role="tab"))
    faces["wipe"] = violations(view.press("w").until("s.mode === 'wipe'"))
    faces["grid"] = violations(view.click("Branches").until("s.view === 'grid'"))
    faces["evaluations"] = violations(view.click("Evaluations").until("s.view === 'evaluations'"))
    view.click("Videos").until("s.view === 'videos'")
    for key in ("?", "e", "i", "Control+k"):
        view.press(key).page.locator("dialog[open]").wait_for()
        faces[key] = violations(view)
        view.press("Escape").page.locator("dialog[open]").wait_for(state="detached")
    view.click("Evaluate …").page.locator("dialog[open] .eval-cost", has_text="variants").wait_for()
    faces["plan"] = violations(view)
    assert {face: bad for face, bad in faces.items() if bad} == {}


def test_order_of_focus(world: World, view: View) -> None:
    """Tab goes from the skip link through the header, tree, videos, timeline to the controls, and is visible."""
    view.open(world.link([world.plant(1)], frame=0)).until("s.shown.frame === 0")
    seen: list[str] = []
    for _ in range(60):
        view.press("Tab")
        seen.append(
            view.page.evaluate(
                """() => {
                    const el = document.activeElement;
                    const ring = getComputedStyle(el).outlineStyle !== "none";
                    const room = el.closest("section")?.id ?? el.parentElement?.id ?? "";
                    return [el.className?.baseVal ?? el.className, room, ring].join("|");
                }"""
            )
        )
    rooms = [line.split("|")[1] for line in seen]
    first = [rooms.index(room) for room in ("header", "tree", "stage", "controls")]
    assert seen[0].startswith("skip")
    assert first == sorted(first)
    assert any(line.startswith("tree-canvas") for line in seen)
    assert any(line.startswith("scrubber") for line in seen)
    assert all(line.endswith("true") for line in seen if line.split("|")[1] in ("header", "tree", "stage", "controls"))
