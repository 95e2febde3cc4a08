"""Evaluations on the page: planned, watched, judged, ended."""

from __future__ import annotations

from pathlib import Path

from tests.page.view import View
from tests.page.world import World


def test_an_evaluation_from_its_plan_to_its_best_and_worst(world: World, view: View) -> None:
    """The dry run is shown first; the matrix fills; rates have intervals; the best and worst open side by side; the
    queue has one row for all of it; the address leads back to it."""
    trunk = world.plant(1, label="trunk")
    view.open(world.link([trunk])).click("Evaluate …")
    dialog = view.page.locator("dialog[open]")
    dialog.get_by_label("Prompts, one a line").fill("pick up the red cup\npush the cup to the left")
    dialog.get_by_role("textbox", name="Seeds").fill("0-1, x")
    dialog.get_by_text("Seeds are numbers and ranges").wait_for()
    assert dialog.get_by_role("button", name="Start").is_disabled()
    dialog.get_by_role("textbox", name="Seeds").fill("0-1")
    dialog.get_by_label("Steps of each").fill("1")
    dialog.get_by_label("Label").fill("which verb")
    dialog.get_by_text("4 variants, 4 steps").wait_for()
    dialog.get_by_role("button", name="Start").click()
    view.until("s.view === 'evaluations' && s.evaluation")
    view.page.locator(".job", has_text="evaluation").first.wait_for()
    view.page.locator(".cell.good, .cell.bad").nth(3).wait_for(timeout=90_000)
    assert view.page.locator(".bar-whisker").count() >= 3, "a rate has its interval, in all and for each prompt"
    view.page.locator(".cell").first.focus()
    assert "action_magnitude" in view.page.locator(".matrix-about").inner_text()
    view.press("ArrowRight")
    assert "seed 1" in view.page.locator(".matrix-about").inner_text()
    view.page.set_viewport_size({"width": 900, "height": 800})
    view.page.set_viewport_size({"width": 1280, "height": 800})
    assert view.page.locator(".matrix-band").count() == 1, "both seeds stand side by side"
    address = view.page.url
    view.click("Best and worst").until("s.view === 'videos' && s.panes.length === 2")
    made = f"/api/evaluations/{address.split('evaluation=')[1].split('&')[0]}"
    summary = world.ok("GET", f"{made}/summary")
    rows = {row["variant"]: row["head"] for row in world.ok("GET", f"{made}/rows")["items"]}
    assert [pane["nodeId"] for pane in view.state()["panes"]] == [rows[summary["best"]], rows[summary["worst"]]]
    view.page.goto(address)
    view.until("s.ready && s.view === 'evaluations'").page.locator(".cell img").nth(3).wait_for()


def test_a_plan_from_a_file_is_what_is_tried(world: World, view: View, tmp_path: Path) -> None:
    """The file that the command line takes, with what the form has no field for; what is wrong with one is said, and
    the form is there again without it. Settings of the model have fields of their own."""
    trunk = world.plant(1, label="trunk")
    view.open(world.link([trunk])).click("Evaluate …")
    dialog = view.page.locator("dialog[open]")
    bad, good = tmp_path / "bad.toml", tmp_path / "good.toml"
    bad.write_text('steps = 1\nseeds = "5-2"\n')
    good.write_text(
        'label = "filed"\nsteps = 1\nseeds = "0-1"\nprompt_modes = ["keep", "reset"]\n'
        "[model_settings]\nsteps = [4, 6]\n"
    )
    dialog.get_by_label("A plan from a file").set_input_files(bad)
    dialog.get_by_text("holds none").wait_for()
    view.allow("422")
    dialog.get_by_label("A plan from a file").set_input_files(good)
    dialog.get_by_text("8 variants, 8 steps").wait_for()
    assert not dialog.get_by_label("Prompts, one a line").is_visible()
    dialog.get_by_role("button", name="Without the file").click()
    dialog.get_by_label("Prompts, one a line").wait_for()
    dialog.get_by_text("Settings of the model").click()
    dialog.get_by_label("guidance").fill("1, 99")
    dialog.get_by_text("from 0 to 10, not 99").wait_for()
    dialog.get_by_label("guidance").fill("1, 2")
    dialog.get_by_role("textbox", name="Seeds").fill("0")
    dialog.get_by_label("Steps of each").fill("1")
    dialog.get_by_text("2 variants, 2 steps").wait_for()
    dialog.get_by_label("A plan from a file").set_input_files(good)
    dialog.get_by_text("8 variants, 8 steps").wait_for()
    dialog.get_by_role("button", name="Start").click()
    view.until("s.view === 'evaluations' && s.evaluation")
    view.page.locator(".cell.good, .cell.bad, .cell.none").nth(7).wait_for(timeout=90_000)
    names = view.page.locator(".matrix-band tbody th").all_inner_texts()
    assert len(names) == 4
    assert sum("steps=4" in name for name in names) == sum("reset" in name for name in names) == 2
    view.click("Model settings").page.locator(".bar", has_text="steps=6").wait_for()


def test_ten_thousand_variants_are_a_few_hundred_cells(world: World, view: View) -> None:
    """Only a sheet of the matrix is asked for and drawn; it is cancelled and resumed."""
    trunk = world.plant(1)
    plan = {"checkpoints": [trunk["head"]], "seeds": list(range(10_000)), "steps": 1, "label": "many"}
    made = world.ok("POST", "/api/evaluations", json=plan)["evaluation"]["id"]
    asked: list[str] = []
    view.page.on("request", lambda request: "/rows" in request.url and asked.append(request.url))
    view.open(world.link([trunk], view="evaluations", evaluation=made))
    view.page.locator(".cell").nth(50).wait_for()
    assert 100 < view.page.locator(".cell").count() <= 312
    view.click("Later seeds")
    view.page.locator(".eval-matrix .eval-head", has_text="of 10000").wait_for()
    assert all("limit=1000" in url or int(url.split("limit=")[1].split("&")[0]) <= 312 for url in asked)
    view.click("Cancel")
    view.click("Cancel the evaluation").page.locator(".eval-title .chip", has_text="cancelled").wait_for()
    view.click("Resume").page.locator(".eval-title .chip", has_text="running").wait_for()
    world.ok("POST", f"/api/evaluations/{made}/cancel")
