"""Lists come in pages: each item once and in the order of the whole list, whatever the size of a page."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from tests.ledger.conftest import Hand
from tests.support.web_server import WebServer
from webapp.app import create_app

LISTS = {"/api/workers": "name", "/api/samples": "name", "/api/jobs": "id", "/api/sessions": "id", "/api/trees": "id"}


def pages(web: WebServer, path: str, limit: int) -> Iterator[list[dict]]:
    """The pages of a list, by its cursors."""
    answer = web.ok("GET", f"{path}?limit={limit}")
    yield answer["items"]
    while answer["next"] is not None:
        answer = web.ok("GET", path, params={"limit": limit, "cursor": answer["next"]})
        yield answer["items"]


@pytest.mark.parametrize(("path", "key"), LISTS.items())
def test_pages_make_up_the_list(session: object, web: WebServer, path: str, key: str) -> None:
    """No item is left out, none comes twice, no page but the last is short, and the last has no `next`."""
    names = [item[key] for page in pages(web, path, 500) for item in page]
    assert names
    assert len(set(names)) == len(names)
    for limit in (1, 3, min(len(names), 500)):
        found = list(pages(web, path, limit))
        assert [item[key] for page in found for item in page] == names
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


@pytest.mark.parametrize("path", ["/api/workers", "/api/samples"])
def test_lists_by_name_are_ordered_and_a_name_that_is_gone_is_a_cursor_too(web: WebServer, path: str) -> None:
    """The page after a name that is none (any more) begins with the next one there is."""
    names = [item["name"] for item in web.ok("GET", path)["items"]]
    assert names == sorted(names)
    assert len(names) >= 2
    after = web.ok("GET", path, params={"cursor": f"{names[0]}-gone"})["items"]
    assert [item["name"] for item in after] == [name for name in names if name > f"{names[0]}-gone"]
    assert web.ok("GET", path, params={"cursor": "zzz"}) == {"items": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=", "cursor=a%20b", "page=2"])
@pytest.mark.parametrize("path", ["/api/workers", "/api/samples"])
def test_what_is_no_page_is_refused(web: WebServer, path: str, query: str) -> None:
    """A problem that names the parameter."""
    problem = web.problem(422, "GET", f"{path}?{query}")
    assert query.partition("=")[0] in problem["errors"][0]["field"]


def test_a_nested_tree_has_a_bound(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one answer, made in memory: of a tree of a million checkpoints a gigabyte. Pages have any tree."""
    ledger, trees = Ledger(settings.redis_url), import_module("webapp.api.trees")
    hand = Hand.up(ledger, "gpu.0")
    path = f"/api/sessions/{hand.stepped(hand.opened(), 3).id}/tree"
    client = create_app(settings).test_client()
    client.environ_base["HTTP_HOST"] = "127.0.0.1"
    for large in (2, trees.LARGE):
        monkeypatch.setattr(trees, "LARGE", large)
        assert client.get(f"{path}?format=d3").json["children"][0]["frame_index"] == 1
        assert len(client.get(path).json["nodes"]) == 4
    monkeypatch.setattr(trees, "MOST_NESTED", 3)
    refused = client.get(f"{path}?format=d3")
    assert refused.status_code == 422 and "page by page" in refused.json["what_to_do"]
    assert len(client.get(f"{path}?limit=2").json["nodes"]) == 2
    ledger.close()
