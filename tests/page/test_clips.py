"""Saving a branch as a clip from the page: a short one at once, a long one when its job is done."""

from __future__ import annotations

from tests.api.conftest import Made
from tests.page.view import View
from tests.support.web_server import WebServer


def test_short_and_long_clips_are_saved(web: WebServer, picture: str, view: View) -> None:
    """The arrow on the pane saves both; a long clip is a job in the list, with a link to its file."""
    session = Made(web, picture, label="the left hand")
    session.step()
    view.open(f"{web.url}/?session={session.id}")
    arrow = view.page.get_by_label("Download A as MP4")
    with view.page.expect_download() as short:
        arrow.click()
    assert short.value.suggested_filename == "the-left-hand-0-9-8fps.mp4"

    session.step(8)
    view.until("s.panes[0] && s.nodes === 10")
    with view.page.expect_download() as long:
        arrow.click()
    assert long.value.suggested_filename.endswith("0-73-8fps.mp4")
    view.page.locator(".tree-canvas [role=treeitem]").nth(1).click()
    view.click("Open in pane A").until("s.panes[0].nodeId === s.selected && s.total < 73")
    shown = view.state()["total"]
    with view.page.expect_download() as earlier:  # an earlier checkpoint in the pane: its clip, not the head's
        arrow.click()
    assert earlier.value.suggested_filename.endswith(f"0-{shown}-8fps.mp4")
    row = view.page.locator(".job", has_text="video 73/73").first  # the newest; other tests' clips are listed below
    with view.page.expect_download() as again:
        row.get_by_role("link", name="Save").click()
    assert again.value.suggested_filename == long.value.suggested_filename
