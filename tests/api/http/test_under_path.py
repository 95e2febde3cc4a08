"""The web app below a path of a real reverse proxy, which cuts the path off or does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from arc_fabric.client import ArcFabric
from arc_fabric.settings import Settings
from tests.support.nursery import ROOT
from tests.support.web_server import TOP, serving_below


@pytest.fixture(scope="module", params=["cuts", "keeps"])
def below(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server, s3_server
) -> Iterator[str]:
    """The URL at which a proxy shows a web app and its worker."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("below"), redis_url=redis_server.database(62), s3_bucket="arc-fabric",
        **s3_server.credentials.settings(s3_server.endpoint),
    )  # fmt: skip
    with serving_below(settings, request.param) as url:
        yield url


def test_the_page_and_all_that_it_names_are_there(below: str) -> None:
    """Scripts, styles and pictures of every page, by the addresses it gives, resolved as a browser does."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        for path in ("/", "/openapi", "/openapi/errors"):
            page = browser.get(below + path)
            assert page.status_code == 200 and str(page.url).startswith(below)
            named = re.findall(r'(?:src|href|action)="([^"#{]+)"', page.text)
            for address in named:
                found = browser.get(page.url.join(address))
                assert found.status_code == 200 and str(found.url).startswith(below), (path, address)
        script = (Path(ROOT) / "webapp/pages_static/openapi.js").read_text()
        document = browser.get(httpx.URL(below + "/openapi").join(re.search(r'url: "([^"]+)"', script)[1]))
        assert document.json()["info"]["title"] == "Arc Fabric"


def test_the_api_works_below_the_path(below: str) -> None:
    """Work, its Location, problem bodies, and the stream."""
    with httpx.Client(trust_env=False, timeout=60) as http, ArcFabric(below) as fabric:
        with fabric.stream() as stream:
            assert stream.hello["last_id"]
        frame = fabric.new_session("pick up the red cup", "sample:two-cups")
        answer = http.post(f"{below}/api/sessions/{frame.id}/step", json={})
        assert answer.status_code == 202, answer.text
        where = answer.request.url.join(answer.headers["Location"])
        assert http.get(where).json()["id"] == answer.json()["job"]["id"]
        fabric.wait(answer.json()["job"]["id"])
        missing = http.get(f"{below}/api/sessions/ses_{'0' * 26}").json()
        assert missing["instance"].startswith(TOP)
        assert http.get(httpx.URL(below).join(missing["type"])).status_code == 200
        assert (
            http.post(f"{below}/api/sessions", content=json.dumps({}), headers={"Origin": "http://x"}).status_code
            == 403
        )
        frame.close()
