"""The page below a path of a real reverse proxy, in a browser: signed in, live, and at work."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from arc_fabric.settings import Settings
from tests.page.view import View
from tests.support.web_server import TOP, serving_below

SECRET = "a-secret-of-the-lab"


@pytest.mark.parametrize("how", ["cuts", "keeps"])
def test_the_page_works_below_a_path(settings: Settings, view: View, how: str) -> None:
    """Signing in, the stream, a step with its frames and its picture, a look at it after a reload, and signing out.
    Nothing is asked for outside the path, and the cookie goes nowhere else."""
    page, asked = view.allow("401").page, list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    with serving_below(settings.replaced(tokens=f"lab:write:{SECRET}"), how) as url:
        session = _planted(url)
        page.goto(f"{url}/?session={session['id']}&panes={session['head']}&mode=side")
        page.get_by_label("Access token").fill(SECRET)
        page.get_by_role("button", name="Sign in").click()
        view.until("s.ready && s.connection === 'live'")
        (cookie,) = page.context.cookies()
        assert cookie["path"] == TOP
        page.goto(f"{url}/?session={session['id']}&panes={session['head']}&mode=side")
        view.until("s.ready && s.connection === 'live'")
        page.get_by_label("Steps", exact=True).first.fill("2")
        view.press("Control+Enter").until("s.nodes === 3 && s.shown.frame === 16")
        page.reload()
        view.until("s.ready && s.connection === 'live' && s.nodes === 3")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Access token").wait_for()
        assert page.context.cookies() == [] and page.url.startswith(url)
    ours = [urlsplit(address) for address in asked if not address.startswith(("data:", "blob:"))]
    assert any(one.scheme == "ws" for one in ours)
    assert {one.geturl() for one in ours if one.path != TOP and not one.path.startswith(TOP + "/")} == set()


def _planted(url: str) -> dict[str, Any]:
    """A session at its root."""
    with httpx.Client(headers={"Authorization": f"Bearer {SECRET}"}, timeout=60, trust_env=False) as http:
        body = {"prompt": "pick up the red cup", "initial_frame": "sample:two-cups"}
        made = http.post(f"{url}/api/sessions?wait=30", json=body).json()
        session: dict[str, Any] = http.get(f"{url}/api/sessions/{made['session_id']}").json()
        return session
