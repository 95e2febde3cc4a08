"""Signing in and out with an access token, on a server that wants one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arc_fabric.settings import Settings
from tests.page.view import View
from tests.support.web_server import WebServer

SECRET = "a-secret-of-the-lab"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[WebServer]:
    """The web app alone, with one token."""
    server = WebServer(settings.replaced(tokens=f"lab:write:{SECRET}"), worker=False).start()
    yield server
    server.stop()


def test_a_token_signs_in_and_out(guarded: WebServer, view: View) -> None:
    """The form refuses a wrong token, takes the right one for a cookie that scripts cannot read, and lets go of it."""
    page = view.allow("401", "503").page  # Chromium logs both: the refused token, and that no worker has a model yet
    page.goto(guarded.url)
    assert page.url == f"{guarded.url}/login"
    page.get_by_label("Access token").fill("not-the-secret")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert page.context.cookies() == []

    page.get_by_label("Access token").fill(SECRET)
    page.get_by_role("button", name="Sign in").click()
    view.until("s.ready && s.connection === 'live'")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert SECRET not in cookie["value"]
    assert page.evaluate("document.cookie") == ""
    out = page.get_by_role("button", name="Sign out")
    assert out.get_attribute("title") == "Signed in as lab"

    out.click()
    page.get_by_label("Access token").wait_for()
    assert page.context.cookies() == []
    page.goto(guarded.url)
    assert page.url == f"{guarded.url}/login"
