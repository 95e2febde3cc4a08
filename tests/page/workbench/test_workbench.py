"""A researcher's workbench: many branches at once, what they did, and what can be taken away."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks._page import grown
from tests.page.view import SEEN_WHOLE, View
from tests.page.world import World


def saved(view: View, button: Any, folder: Path) -> Path:
    """The file that a button hands to the reader."""
    with view.page.expect_download() as waited:
        button.click()
    path = folder / waited.value.suggested_filename
    waited.value.save_as(path)
    return path


def test_the_grid_groups_filters_plays_and_compares(world: World, view: View) -> None:
    """500 branches: groups with their mean, bounds of score and seed, all in view play in step, also one that comes
    meanwhile, chosen ones open."""
    session = world.plant()
    nodes = grown.tree(3_093, 500)  # the next one has seed 3 and score 0.93
    sockets = grown.show(view.page, world.url, nodes, session)
    view.until("s.ready && s.nodes === 3093").click("Branches").until(
        "document.querySelectorAll('.card').length === 500"
    )
    view.page.get_by_label("Group by").select_option("seed")
    view.until("document.querySelectorAll('.grid-group').length === 5")
    assert "mean score" in view.page.locator(".grid-group").first.inner_text()
    view.page.get_by_label("Seeds", exact=True).fill("1, 3")
    view.page.get_by_label("Score from").fill("0.9")
    view.until(
        "document.querySelectorAll('.grid-group').length === 2 && document.querySelectorAll('.card').length < 100"
    )
    view.click("Play all").until("document.querySelectorAll('.card-video[data-frame]').length > 3")
    ends = json.dumps({node["id"]: 8 * node["frame_index"] for node in nodes})
    view.until(f"""((ends) => {{
        const all = [...document.querySelectorAll('.card-video[data-frame]')].map(
            (one) => [Number(one.dataset.frame), ends[one.closest('.card').dataset.node]]);
        const now = Math.max(...all.map(([at]) => at));
        return now > 8 && all.every(([at, end]) => at === Math.min(now, end));
    }})({ends})""")
    grown.grow(nodes, sockets[-1])  # its branch has a longer end now: another card, that plays with the others
    view.until(f"document.querySelector('.card[data-node=\"{nodes[-1]['id']}\"] .card-video[data-frame]')")
    view.click("Play all")
    cards = view.page.locator(".card")
    for at in (0, 1):
        cards.nth(at).click(modifiers=["Control"])
    view.allow("404")  # the server knows no made-up branches to compare
    view.click("Compare").until("s.view === 'videos' && s.panes.length === 2")


def test_reading_out_and_looking_closer(world: World, view: View) -> None:
    """The plots say the value of each branch at the playhead, and which lines are one; Ctrl and wheel look closer."""
    branches = world.branches(1, 2)
    view.open(world.link(branches[:2], frame=12)).until("s.shown.frame === 12 && s.compare")
    first = view.page.locator(".readout").first
    own = [node for node in world.tree(branches[0]["id"]) if node["session_id"] == branches[0]["id"]]
    node = next(node for node in own if node["frame_index"] == 2)
    horizon = len(node["actions"])
    value = node["actions"][-(-4 * horizon // 8) - 1][0]
    shown = float(first.locator("span").first.inner_text().removeprefix("A "))
    assert shown == pytest.approx(value, rel=0.01, abs=0.002)
    ticks = view.page.locator(".ruler-words")
    before = ticks.all_inner_texts()
    view.page.locator(".tracks").hover(position={"x": 300, "y": 40})
    view.page.keyboard.down("Control")
    view.page.mouse.wheel(0, -400)
    view.page.keyboard.up("Control")
    view.page.get_by_role("button", name="Show all").wait_for()
    assert ticks.all_inner_texts() != before
    view.click("Show all")
    assert ticks.all_inner_texts() == before


def test_what_can_be_taken_away(world: World, view: View, tmp_path: Path) -> None:
    """A clip of the range, the panes side by side, the frame lossless, the actions as a table; a dataset goes straight
    to the disk, and what the server has against it is said."""
    branches = world.branches(1, 1)
    view.open(world.link(branches[:2], frame=12)).until("s.shown.frame === 12").click("Export")
    dialog = view.page.locator("dialog[open]")
    dialog.get_by_label("First frame").fill("9")
    dialog.get_by_role("button", name="GIF").click()
    clip = saved(view, dialog.get_by_role("button", name="Save the clip"), tmp_path)
    assert (clip.name, clip.read_bytes()[:3]) == ("same-9-17-10fps.gif", b"GIF")
    dialog.get_by_role("button", name="MP4").click()
    together = saved(view, dialog.get_by_role("button", name="side by side"), tmp_path)
    assert (together.suffix, together.read_bytes()[4:8]) == (".mp4", b"ftyp")
    frame = saved(view, dialog.get_by_role("button", name="PNG of the frame"), tmp_path)
    assert frame.read_bytes() == world.http.get(f"/api/sessions/{branches[0]['id']}/frames/12").content
    table = list(csv.DictReader(saved(view, dialog.get_by_role("button", name="CSV"), tmp_path).open()))
    assert {row["step"] for row in table} == {"1", "2"}
    assert [float(table[0][name]) for name in ("dx", "dy", "dz", "grip")] == world.tree(branches[0]["id"])[1][
        "actions"
    ][0]
    dataset = saved(view, dialog.get_by_role("button", name="Parquet", exact=True), tmp_path)
    assert (dataset.name, dataset.read_bytes()[:4]) == ("same.parquet", b"PAR1")
    view.allow("422")
    view.page.route("**/export?*", lambda route: route.fulfill(status=422, json={"detail": "too many frames for one"}))
    dialog.get_by_role("button", name="LeRobot dataset", exact=True).click()
    view.page.locator(".toast", has_text="too many frames for one").wait_for()


def test_forward_again_after_a_rewind(world: World, view: View) -> None:
    """F goes to the end of what the session made beyond its head; Ctrl+Z takes the newest rewind back."""
    session = world.plant(3)
    here = f"s.sessions.find((one) => one.id === '{session['id']}').frame_index"
    view.open(world.link([session]))
    view.page.get_by_label("Steps to rewind").fill("2")
    view.click("Rewind").until(f"{here} === 1").press("f").until(f"{here} === 3")
    assert world.session(session["id"])["head"] == session["head"]
    view.click("Rewind").until(f"{here} === 1").press("Control+z").until(f"{here} === 3")


def test_an_action_is_drawn_and_stepped_with(world: World, view: View) -> None:
    """A curve drawn with the pointer, and numbers pasted, are what the step is given."""
    session = world.plant(1)
    view.open(world.link([session]))
    form = view.page.locator("#step-form")
    form.get_by_label("Steps", exact=True).fill("1")
    form.get_by_role("button", name="Drawn").click()
    curve = form.locator(".curve").first
    curve.hover(position={"x": 5, "y": 6})
    view.page.mouse.down()
    box = curve.bounding_box()
    assert box is not None
    view.page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 6)
    view.page.mouse.up()
    view.press("Control+Enter").until("s.nodes === 3")
    node = world.tree(session["id"])[-1]
    assert node["action_source"] == "given"
    assert all(row[0] == pytest.approx(2.0, abs=0.2) and row[1] == 0 for row in node["actions"])
    form.get_by_text("As numbers").click()
    form.get_by_label("Actions", exact=True).fill("0.5, 0, 0, 1\n0.25, 0, 0, 1")
    form.get_by_role("button", name="Take these").click()
    view.press("Control+Enter").until("s.nodes === 4")
    assert [row[0] for row in world.tree(session["id"])[-1]["actions"]][:3] == [0.5, 0.25, 0.0]


def test_a_fork_is_given_actions(world: World, view: View) -> None:
    """Held or drawn in the fork form, they are the fork's first steps; without a step for them nothing is sent."""
    session = world.plant(2)
    view.open(world.link([session])).click("Fork", role="tab")
    form = view.page.locator("#fork-form")
    form.get_by_role("button", name="Held").click()
    form.get_by_label("Action dx").fill("1.5")  # as near to it as the slider's steps are
    held = float(form.get_by_label("Action dx").input_value())
    form.get_by_label("Steps", exact=True).fill("0")
    form.get_by_role("button", name="Fork", exact=True).click()
    assert "at least 1" in "".join(form.locator(".field-wrong").all_inner_texts())
    assert len(view.state()["panes"]) == 1
    form.get_by_label("Steps", exact=True).fill("2")
    form.get_by_label("Label", exact=True).fill("pushed")
    form.get_by_role("button", name="Fork", exact=True).click()
    view.until("s.panes.length === 2 && s.nodes === 5")
    made = world.session(view.state()["panes"][1]["sessionId"])
    assert (made["label"], made["parent_checkpoint"]) == ("pushed", session["head"])
    own = [node for node in world.tree(made["id"]) if node["session_id"] == made["id"]]
    assert [node["action_source"] for node in own] == ["given", "given"]
    assert held > 1
    assert all(row[0] == pytest.approx(held) for node in own for row in node["actions"])


def test_a_tree_that_fits_is_seen_whole(world: World, view: View) -> None:
    """Root and ends stay in view, whatever is selected and whatever grows."""
    branches = world.branches(1, 1)
    view.page.set_viewport_size({"width": 1920, "height": 1080})
    view.open(world.link(branches)).until("s.ready && s.nodes === 5").until(SEEN_WHOLE)
    nodes = view.page.locator(".tree-canvas [role=treeitem]")
    for at in (4, 0, 2):
        nodes.nth(at).locator(".dot").click()
        view.until(SEEN_WHOLE)
    world.step(branches[1]["id"])
    view.until("s.nodes === 6").until(SEEN_WHOLE)


def test_what_would_be_freed_is_counted_elsewhere(world: World, view: View) -> None:
    """The storage view asks, a media worker counts, the view shows what it found; nothing is deleted."""
    session = world.plant(1)
    view.open(world.link([session])).press("i")
    dialog = view.page.locator("dialog[open]")
    dialog.get_by_role("button", name="Count").click()
    dialog.get_by_text("May go now").wait_for(timeout=60_000)
    dialog.get_by_text("nothing is deleted by counting").wait_for()
    found = world.ok("GET", "/api/storage/freeable")
    assert found["asked"] is None
    assert found["report"]["unreadable"] == 0


def test_driving_with_keys_and_the_palette(world: World, view: View) -> None:
    """The palette finds a command by its words; then a press of an arrow is one step with that action."""
    session = world.plant(1)
    view.open(world.link([session])).press("Control+k")
    view.page.get_by_role("combobox", name="Command or session").fill("drive keys")
    view.press("Enter").page.locator(".driving").wait_for()
    view.press("ArrowRight").until("s.nodes === 3")
    assert world.tree(session["id"])[-1]["actions"][0][:2] == [1.0, 0.0]
    view.press("m").page.locator(".driving").wait_for(state="hidden")


def test_panes_of_two_trees_and_a_closer_look(world: World, view: View) -> None:
    """A branch of another tree opens beside, and its address brings both back; all panes show the same closer part."""
    first, second = world.plant(1, label="first"), world.plant(1, label="second", seed=8)
    view.open(world.link([first], frame=4)).click("Sessions", role="tab")
    row = view.page.locator(".session-list li", has_text="second").first
    row.get_by_role("button", name="Beside").click()
    view.until("s.panes.length === 2")
    assert [pane["nodeId"] for pane in view.state()["panes"]] == [first["head"], second["head"]]
    view.page.wait_for_url(f"**{second['head']}**")
    view.open(view.page.url).until("s.panes.length === 2").seek(8)
    before = view.page.locator(".pane .picture").nth(1).screenshot()
    view.page.locator(".pane .picture").first.hover()
    assert view.page.locator(".pane-pixel").nth(1).inner_text().startswith("(32, 3")
    view.page.keyboard.down("Control")
    view.page.mouse.wheel(0, -600)
    view.page.keyboard.up("Control")
    assert view.page.locator(".pane .picture").nth(1).screenshot() != before


def test_a_link_to_branches_that_are_not_there_says_so(world: World, view: View) -> None:
    """Not the head in their place; the address stays, a button leads on. What was selected is selected again."""
    session = world.plant(2)
    lost = f"ckp_{'0' * 26}"
    view.allow("404").page.goto(f"{world.url}/?session={session['id']}&panes={lost}&frame=3")
    view.until("s.ready && s.treeStatus === 'lost' && s.panes.length === 0")
    assert lost in view.page.url
    view.click("Show the session's head").until("s.panes.length === 1")
    view.page.locator(".tree-canvas [role=treeitem]").first.click()
    view.until("s.selected === s.treeId").click("Fork", role="tab")
    view.page.locator("#fork-form").get_by_label("Prompt").fill("half a wish")
    view.page.wait_for_url("**node=**")
    view.page.reload()
    view.until("s.ready && s.selected === s.treeId")
    assert view.page.locator("#fork-form").get_by_label("Prompt").input_value() == "half a wish"


def test_a_tree_is_deleted(world: World, view: View) -> None:
    """It is asked first, naming what goes; then nothing of it is left on the page, and a button leads on."""
    stays, goes = world.plant(1, label="stays"), world.plant(2, label="goes")
    world.ok("DELETE", f"/api/sessions/{goes['id']}")
    view.open(world.link([goes, stays], frame=4)).until("s.panes.length === 2").click("Sessions", role="tab")
    row = view.page.locator(".session-list li", has_text="goes")
    row.get_by_role("button", name="Delete tree").click()
    assert "3 checkpoints, 1 session (goes)" in view.page.locator("dialog[open]").inner_text()
    view.click("Keep")
    assert world.ok("GET", f"/api/trees/{goes['tree_id']}")["nodes"] == 3
    row.get_by_role("button", name="Delete tree").click()
    view.click("Delete 3 checkpoints").until("s.treeStatus === 'deleted' && s.nodes === 0 && !s.panes.length")
    row.wait_for(state="detached")
    assert world.http.get(f"/api/trees/{goes['tree_id']}").status_code == 404
    view.page.get_by_role("heading", name="This tree is deleted").wait_for()
    view.click("Show the newest session").until("s.panes.length === 1")
    assert view.state()["panes"][0]["nodeId"] == stays["head"]
