"""What a researcher does, by mouse and keyboard, each flow to its end. The page may not complain on its console."""

from __future__ import annotations

from typing import Any

import pytest

from tests.page.view import View
from tests.page.world import PROMPT, World


def rows(view: View, kind: str) -> Any:
    """The job rows of a kind, newest first."""
    return view.page.locator(".job", has=view.page.locator(".job-kind", has_text=kind))


def one(session: dict[str, Any]) -> str:
    """JavaScript for a session as the page knows it."""
    return f"s.sessions.find((one) => one.id === '{session['id']}')"


def job(session: dict[str, Any], kind: str, state: str) -> str:
    """JavaScript: the session has a job of this kind in this state."""
    wanted = f"job.session_id === '{session['id']}' && job.kind === '{kind}' && job.state === '{state}'"
    return f"s.jobs.some((job) => {wanted})"


def test_steps_run_live(world: World, view: View) -> None:
    """Ctrl+Enter runs the step form: frames appear while it runs, each node as it commits, and the pane follows."""
    session = world.plant(1)
    view.open(world.link([session]))
    view.page.get_by_label("Steps", exact=True).first.fill("3")
    view.press("Control+Enter")
    view.until("s.nodes === 5 && s.total === 33").until("s.shown.frame === 32 && s.follow")
    state = view.state()
    assert state["stream"]["frames"] > 0, "no live frame came"
    assert state["panes"][0]["nodeId"] == world.session(session["id"])["head"]
    view.until(job(session, "step", "succeeded")).until(f"!{one(session)}.running_job")


def test_fork_from_a_frame(world: World, view: View) -> None:
    """G forks from the checkpoint at the frame on screen; the form is filled and the branch opens beside its trunk."""
    session = world.plant(3)
    view.open(world.link([session])).seek(13).press("g")
    form = view.page.locator("#fork-form")
    assert "From step 1" in form.inner_text()
    assert form.get_by_role("textbox", name="Prompt").input_value() == PROMPT
    form.get_by_role("textbox", name="Prompt").fill("push the cup to the left")
    form.get_by_label("Steps", exact=True).fill("2")
    form.get_by_text("Settings of the model").click()
    form.get_by_label("guidance").fill("2")
    form.get_by_role("button", name="Rebuild").click()
    form.get_by_role("button", name="Fork").click()
    view.until("s.panes.length === 2").until("s.nodes === 6")
    state = view.state()
    branch = world.session(state["panes"][1]["sessionId"])
    assert (branch["forked_at"], branch["frame_index"], branch["prompt"]) == (1, 3, "push the cup to the left")
    assert [pane["sessionId"] for pane in state["panes"]] == [session["id"], branch["id"]]
    own = [node for node in world.tree(branch["id"]) if node["session_id"] == branch["id"]]
    assert [node["prompt_mode"] for node in own] == ["recache", "keep"]
    assert [node["model_settings"] for node in own] == [{"guidance": 2}] * 2


def test_rewind_keeps_every_node(world: World, view: View) -> None:
    """Rewind moves the head, in the form by steps and on the card to the selected checkpoint; the tree keeps all."""
    session = world.plant(3)
    view.open(world.link([session]))
    view.page.get_by_label("Steps to rewind").fill("2")
    view.click("Rewind").until(f"{one(session)}.frame_index === 1 && s.total === 9")
    assert view.state()["nodes"] == 4
    root = view.page.locator(".tree-canvas [role=treeitem]").first
    root.click()
    view.click("Rewind here").until(f"{one(session)}.frame_index === 0")
    assert view.state()["nodes"] == 4


def test_a_failed_step_is_told_and_retried(world: World, view: View) -> None:
    """A failure shows at once with its cause, stays in the job list in full, and Retry runs what is left."""
    session = world.plant(1)
    view.open(world.link([session]))
    view.page.locator("#step-form").get_by_label("Prompt").fill("stumble over the cup")
    view.page.locator("#step-form").get_by_label("Steps", exact=True).fill("2")
    view.press("Control+Enter").until(job(session, "step", "failed"))
    alert = view.page.get_by_role("alert")
    alert.wait_for()
    assert "the test asked this step to fail" in alert.inner_text()
    failed = view.page.locator(".job[data-state=failed]")
    failed.wait_for()
    assert "the test asked this step to fail" in failed.inner_text()
    assert view.state()["nodes"] == 2
    failed.get_by_role("button", name="Retry").click()
    view.until("s.nodes === 4")
    assert alert.is_visible(), "an error message went away by itself"
    alert.get_by_role("button", name="Dismiss").click()
    assert alert.count() == 0


def test_cancel_asks_first_and_keeps_what_is_done(world: World, view: View) -> None:
    """Cancel asks for confirmation; the job ends, committed steps stay and the session can go on."""
    session = world.plant()
    view.open(world.link([session]))
    view.page.get_by_label("Steps", exact=True).first.fill("500")
    view.press("Control+Enter").until("s.nodes > 2")
    cancel = rows(view, "step").first.get_by_role("button", name="Cancel")
    button = cancel.element_handle()
    before = view.state()["nodes"]
    view.until(f"s.nodes > {before + 1}")
    assert button.evaluate("(el) => el.isConnected"), "what is being pressed is not replaced while steps are committed"
    cancel.click()
    view.click("Keep")
    view.until(job(session, "step", "running"), timeout=1)
    cancel.click()
    view.click("Cancel the job").until(job(session, "step", "cancelled")).until(f"!{one(session)}.running_job")
    done = world.session(session["id"])["frame_index"]
    assert 1 <= done < 500
    view.until(f"{one(session)}.frame_index === {done} && s.nodes === {done + 1}")
    view.until(f"s.total === {1 + 8 * done}", timeout=10)  # no frame stays of the step that was not committed


def test_the_sixth_session_is_refused_with_a_way_out(world: World, view: View) -> None:
    """At the limit the refusal says why, and its button leads to the list where a session can be closed."""
    first = world.plant()
    for _ in range(4):
        world.plant()
    view.open(world.link([first])).allow("409")
    view.click("Fork", role="tab")
    view.page.locator("#fork-form").get_by_role("button", name="Fork").click()
    alert = view.page.get_by_role("alert")
    alert.wait_for()
    assert "session" in alert.inner_text().lower()
    alert.get_by_role("button", name="Close a session").click()
    listed = view.page.locator(".session-list li")
    listed.first.get_by_role("button", name="Close").click()
    view.click("Close it").until("s.sessions.filter((session) => session.state === 'open').length === 4")
    view.click("Fork", role="tab")
    view.page.locator("#fork-form").get_by_role("button", name="Fork").click()
    view.until("s.sessions.filter((session) => session.state === 'open').length === 5")


def test_deep_link(world: World, view: View) -> None:
    """A link brings back session, panes in order, frame and mode; the address follows what is on screen."""
    branches = world.branches(2, 2)
    view.open(world.link([branches[2], branches[0], branches[1]], frame=20, mode="wipe"))
    view.until("s.shown.frame === 20")
    state = view.state()
    assert [pane["sessionId"] for pane in state["panes"]] == [branches[i]["id"] for i in (2, 0, 1)]
    assert (state["mode"], state["playing"], state["frame"]) == ("wipe", False, 20)
    view.press(".").until("s.frame === 21")
    view.page.wait_for_url("**frame=21**")
    address = view.page.url
    view.open(address).until("s.shown.frame === 21 && s.mode === 'wipe'")
    assert [pane["nodeId"] for pane in view.state()["panes"]] == [branches[i]["head"] for i in (2, 0, 1)]


def test_a_link_without_frame_plays_from_the_divergence(world: World, view: View) -> None:
    """Without a frame the show starts where the branches part."""
    branches = world.branches(2, 2)
    view.open(world.link(branches)).until("s.playing").until("s.compare")
    state = view.state()
    assert state["divergence"] in (17, None)
    assert state["frame"] >= 16


def test_keyboard_walk(world: World, view: View) -> None:
    """Every key of the help does what it says; keys do nothing while one types."""
    branches = world.branches(2, 2)
    view.open(world.link(branches, frame=0)).until("s.shown.frame === 0")
    view.press(".").until("s.frame === 1").press(",").until("s.frame === 0")
    view.press("Shift+Period").until("s.frame === 10").press("Shift+Comma").until("s.frame === 0")
    view.press("Space").until("s.playing").press("k").until("!s.playing")
    view.press("l").until("s.speed === 2").press("j").until("s.speed === 1")
    view.press("End").until("s.frame === 32 && s.follow").press("Home").until("s.frame === 0 && !s.follow")
    view.press("2").until("s.active === 1").press("3").until("s.active === 2").press("1").until("s.active === 0")
    for key, mode in (("w", "wipe"), ("d", "diff"), ("x", "blink"), ("x", "side")):
        view.press(key).until(f"s.mode === '{mode}'")
    before = [pane["nodeId"] for pane in view.state()["panes"]]
    view.press("s").until(f"s.panes[0].nodeId === '{before[1]}'")
    view.press("?")
    assert view.page.get_by_role("dialog").is_visible()
    view.press("Escape", "/")
    view.page.keyboard.type("w k")
    assert view.state()["mode"] == "side", "a key acted while one typed"
    view.press("Escape")
    view.seek(8).press("b")
    view.page.locator(".item.bookmarked").wait_for()
    assert [node["frame_index"] for node in world.tree(branches[0]["id"]) if node["bookmarked"]] == [1]


def test_keyboard_in_the_tree(world: World, view: View) -> None:
    """Arrows walk the focused tree, Enter opens the selected checkpoint, Shift+Enter opens it beside."""
    branches = world.branches(1, 2)
    view.open(world.link([branches[0]]))
    view.page.get_by_role("tree").focus()
    view.press("Home").until("s.selected === s.treeId")
    view.press("ArrowRight", "ArrowRight")
    first = view.state()["selected"]
    view.press("ArrowDown")
    second = view.state()["selected"]
    assert first != second
    view.press("End").until(f"s.selected === '{branches[1]['head']}'")
    view.press("Shift+Enter").until("s.panes.length === 2")
    assert view.state()["panes"][1]["nodeId"] == branches[1]["head"]


def test_given_actions(world: World, view: View) -> None:
    """With Given, the sliders' action is sent for every action of every step."""
    session = world.plant()
    view.open(world.link([session]))
    view.click("Held")
    view.page.get_by_label("Steps", exact=True).first.fill("2")
    sliders = view.page.get_by_role("slider", name="Action ")
    assert sliders.count() == world.ok("GET", "/api/model")["geometry"]["action_dim"]
    sliders.first.focus()
    view.press("End")
    top = float(sliders.first.get_attribute("max"))
    view.press("Control+Enter").until("s.nodes === 3")
    for node in world.tree(session["id"])[1:]:
        assert node["action_source"] == "given"
        assert all(action[0] == pytest.approx(top) for action in node["actions"])


@pytest.mark.parametrize("prompt", ["pick up the red cup", "ignore what is given"])
def test_a_card_says_whether_actions_were_followed(world: World, view: View, prompt: str) -> None:
    """Where a model only recorded the given actions, the checkpoint's card says so; else it does not."""
    session = world.plant(prompt=prompt)
    world.step(session["id"], actions=[[[0.5] * 4] * 8])
    node = world.tree(session["id"])[1]
    assert node["steered"] is (not prompt.startswith("ignore"))
    view.open(world.link([world.session(session["id"])])).until(f"s.selected === '{node['id']}'")
    card = view.page.locator(".node-card")
    card.get_by_text("given", exact=True).wait_for()
    assert ("recorded, not followed" in card.inner_text()) is not node["steered"]


def test_pin_and_unpin_a_checkpoint(world: World, view: View) -> None:
    """The button says what it does, follows the server's state, and the worker keeps what is pinned."""
    session = world.plant(1)
    view.open(world.link([session]))

    def pinned() -> bool:
        return world.ok("GET", f"/api/checkpoints/{session['head']}")["pinned"]

    view.click("Pin")
    button = view.page.get_by_role("button", name="Unpin", exact=True)
    button.wait_for()
    assert button.get_attribute("aria-pressed") == "true"
    assert pinned()
    view.page.get_by_label("Search the tree").fill("pinned")
    view.page.locator(".item.found").wait_for()
    glyph = view.page.locator(".item.pinned .pin")
    shape = glyph.bounding_box()
    assert shape is not None
    assert min(shape["width"], shape["height"]) > 4
    view.page.locator(".item.pinned .dot").hover()
    view.page.locator(".tip", has_text="pinned").wait_for()
    view.click("Unpin")
    view.page.get_by_role("button", name="Pin", exact=True).wait_for()
    assert not pinned()
    assert view.page.locator(".item.pinned").count() == 0
    world.ok("POST", f"/api/checkpoints/{session['head']}/pin")  # by somebody else: the event says so
    button.wait_for()
    glyph.wait_for()


def test_the_help_explains_the_marks_of_the_tree(world: World, view: View) -> None:
    """Each mark that a node of the tree may carry is drawn and named there, as the tree draws it."""
    view.open(world.link([world.plant()])).press("?")
    legend = view.page.get_by_label("Marks in the tree")
    words = legend.locator("dd").all_inner_texts()
    for mark in ("stored", "failed", "bookmarked", "pinned", "damaged", "selected", "stepped"):
        assert any(mark in text for text in words), mark
    for mark, part in (("pinned", ".pin"), ("failed", ".glyph"), ("bookmarked", ".glyph")):
        box = legend.locator(f".item.{mark} {part}").bounding_box()
        assert box is not None
        assert box["width"] > 4


def test_marks_on_a_checkpoint(world: World, view: View) -> None:
    """Label, bookmark and failed mark are kept by the server and shown in the tree; search finds them."""
    session = world.plant(2)
    view.open(world.link([session]))
    view.page.get_by_label("Label", exact=True).first.fill("good grasp")
    view.press("Enter")
    view.click("Bookmark (B)").click("Mark as failed")
    view.page.locator(".item.failed.bookmarked").wait_for()
    node = next(node for node in world.tree(session["id"]) if node["id"] == session["head"])
    assert (node["label"], node["bookmarked"], node["failed"]) == ("good grasp", True, True)
    view.page.get_by_label("Search the tree").fill("grasp")
    view.page.locator(".item.found").wait_for()
    assert view.page.locator(".hits").inner_text() == "1"


def test_what_is_being_written_on_the_card_outlives_changes_from_elsewhere(world: World, view: View) -> None:
    """A mark that somebody else sets makes the card anew: drafts, the caret and the focused button stay."""
    session = world.plant(1)
    view.open(world.link([session]))
    card, head = view.page.locator(".node-card"), f"/api/nodes/{session['head']}"
    card.get_by_text("Note, tags, score").click()
    card.get_by_label("Tags, by commas").fill("slip,")
    card.get_by_label("Note", exact=True).press_sequentially("the cup")
    world.ok("PATCH", head, json={"label": "from elsewhere", "score": 0.5, "score_better": "lower"})
    card.get_by_text("0.5, lower is better").wait_for()
    assert card.get_by_label("Label", exact=True).input_value() == "from elsewhere"
    assert card.get_by_label("Score").input_value() == "0.5"
    view.page.keyboard.type(" slips")
    assert card.get_by_label("Note", exact=True).input_value() == "the cup slips"
    view.press("Tab")
    card.locator("p.node-note", has_text="the cup slips").wait_for()
    assert world.tree(session["id"])[-1]["tags"] == ["slip"], "sent when the field was left, not lost"
    mark = card.get_by_role("button", name="Mark as failed")
    mark.focus()
    world.ok("PATCH", head, json={"bookmarked": True})
    card.locator(".mark.on").wait_for()
    assert view.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Mark as failed"


def test_a_note_tags_and_a_score_are_kept_found_and_taken_back(world: World, view: View) -> None:
    """They are written on the card, come back with the page, are found by the search; Undo takes the last one back."""
    session = world.plant(1)
    view.open(world.link([session]))
    card = view.page.locator(".node-card")
    card.get_by_text("Note, tags, score").click()
    card.get_by_label("Note", exact=True).fill("the cup slips")
    card.get_by_label("Tags, by commas").fill("slip, left")
    card.get_by_label("Score").fill("0.4")
    view.press("Enter")
    card.get_by_text("0.4, higher is better").wait_for()
    node = world.tree(session["id"])[-1]
    assert (node["note"], node["tags"], node["score"], node["score_better"]) == (
        "the cup slips", ["slip", "left"], 0.4, "higher",
    )  # fmt: skip
    view.page.get_by_label("Search the tree").fill("slips left")
    view.page.locator(".item.found").wait_for()
    view.click("Undo")
    card.get_by_text("0.4, higher is better").wait_for(state="detached")
    assert world.tree(session["id"])[-1]["score"] is None
