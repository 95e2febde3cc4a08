"""What one types, and what the controls act on: nothing is changed in silence, and there is one subject."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.page.view import View
from tests.page.world import PROMPT, World


def png(width: int, height: int) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def test_a_step_from_an_old_checkpoint_is_a_fork_and_says_so(world: World, view: View) -> None:
    """Card and forms name one checkpoint and session; away from the head the step button forks, the session stays."""
    session = world.plant(3, label="trunk")
    view.open(world.link([session]))
    step, card = view.page.locator("#step-form"), view.page.locator(".node-card")
    assert "from step 3" in step.inner_text()
    view.page.locator(".tree-canvas [role=treeitem]").first.click()
    view.until("s.selected === s.treeId")
    assert "Step 0" in card.inner_text()
    assert "3 steps before the head" in card.inner_text()
    assert "From step 0 of A · trunk" in step.inner_text()
    step.get_by_label("Steps", exact=True).fill("1")
    step.get_by_role("button", name="Fork here and step").click()
    view.until("s.panes.length === 2 && s.nodes === 5 && s.selected === s.panes[1].nodeId")
    assert world.session(session["id"])["head"] == session["head"]
    assert "from step 1" in step.inner_text(), "what one works on is the fork now, at its head"
    view.click("Step").until("s.nodes === 6")


def test_input_is_refused_at_its_field_and_kept(world: World, view: View) -> None:
    """Neither seed nor steps nor prompt are repaired; nothing is sent; what was typed survives a reload."""
    session = world.plant(1)
    view.open(world.link([session]))
    form = view.page.locator("#step-form")
    prompt, seed, steps = (form.get_by_label(name, exact=True) for name in ("Prompt", "Seed", "Steps"))
    seed.fill("1.9")
    steps.fill("0")
    prompt.fill("x" * 3000)
    jobs = len(view.state()["jobs"])
    view.press("Control+Enter")
    wrong = [words for words in form.locator(".field-wrong").all_inner_texts() if words]
    assert [word in words for word, words in zip(("3,000", "1.9", "not 0"), wrong, strict=True)] == [True] * 3
    prompt.fill(" ")
    view.press("Control+Enter")
    assert "empty" in form.locator(".field-wrong").first.inner_text()
    assert len(view.state()["jobs"]) == jobs
    prompt.fill("a new wish")
    view.page.reload()
    view.until("s.ready")
    assert (prompt.input_value(), seed.input_value(), steps.input_value()) == ("a new wish", "1.9", "0")
    seed.fill("5")
    steps.fill("1")
    view.press("Control+Enter").until("s.nodes === 3")
    node = world.tree(session["id"])[-1]
    assert (node["prompt"], node["seed"]) == ("a new wish", 5)


def test_a_picture_is_shown_as_the_model_gets_it_and_a_refused_one_stops_the_start(world: World, view: View) -> None:
    """The preview shows the middle square; after a refused file Start starts nothing until another is chosen."""
    view.open(world.link([world.plant()])).allow("422").click("New", role="tab")
    file = view.page.get_by_label("Upload an initial frame")
    file.set_input_files({"name": "wide.png", "mimeType": "image/png", "buffer": png(300, 100)})
    preview = view.page.locator(".preview")
    preview.get_by_text("300 × 100, the model gets its middle").wait_for()
    file.set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no picture " * 20})
    view.page.locator(".picture-field .field-wrong", has_text="cannot be used").wait_for()
    assert preview.is_hidden()
    known = len(world.ok("GET", "/api/sessions")["items"])
    view.click("Start session")
    assert len(world.ok("GET", "/api/sessions")["items"]) == known
    file.set_input_files({"name": "huge.png", "mimeType": "image/png", "buffer": png(4400, 2200)})
    preview.get_by_text("made smaller from 4400 × 2200").wait_for()
    view.page.get_by_label("First steps").fill("0")
    before = view.state()["treeId"]
    view.click("Start session").until(f"s.treeId !== '{before}' && s.nodes === 1")
    session = world.ok("GET", "/api/sessions")["items"][0]
    assert session["prompt"] == PROMPT
    assert session["seed"] is not None
    frame = world.http.get(f"/api/sessions/{session['id']}/frames/0").content
    pixels = np.asarray(Image.open(io.BytesIO(frame)).convert("RGB")).astype(int)
    assert (pixels[:, 4, 0] > 200).all()
    assert (pixels[:, -4, 2] > 200).all()


def test_a_link_that_leads_nowhere_says_so(world: World, view: View) -> None:
    """It shows no other session and stays in the address; its button leads on, and Back comes back."""
    world.plant(label="another")
    view.allow("404").page.goto(f"{world.url}/?session=ses_{'0' * 26}&frame=3")
    view.until("s.ready && s.treeStatus === 'dead'")
    assert view.state()["panes"] == []
    assert "frame=3" in view.page.url
    view.click("Show the newest session").until("s.panes.length === 1")


def test_back_returns_to_what_was_shown_and_escape_leaves_a_mode(world: World, view: View) -> None:
    """Opening a branch beside and a mode are steps; Back undoes them one by one within the page."""
    branches = world.branches(1, 1)
    view.open(world.link(branches[:2], frame=0)).until("s.shown.frame === 0")
    view.press("w").until("s.mode === 'wipe'").press("Escape").until("s.mode === 'side'")
    view.press("d").until("s.mode === 'diff'").page.wait_for_url("**mode=diff**")
    view.page.go_back()
    view.until("s.mode === 'side' && s.panes.length === 2")
    view.click("Branches").until("s.view === 'grid'").press("Escape").until("s.view === 'videos'")


def test_the_systems_theme_is_followed_until_one_chooses(chromium: object, world: World) -> None:
    """A system that prefers light gets the light page."""
    context = chromium.new_context(color_scheme="light")  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(world.url)
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.get_by_role("button", name="Switch between dark and light").click()
    page.reload()
    assert page.evaluate(theme) == "dark"
    context.close()
