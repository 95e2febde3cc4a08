"""Large trees and many branches. The nodes are made up in the server's shape; server and page are the real ones."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks._page import grown
from tests.page.view import View
from tests.page.world import World

WATCH = """() => {
    window.touched = [];
    const everything = { subtree: true, childList: true, attributes: true, characterData: true };
    new MutationObserver((changes) => window.touched.push(...changes)).observe(document.body, everything);
}"""


def open_tree(world: World, view: View, size: int, branches: int) -> tuple[list[dict[str, Any]], list[Any]]:
    """The page with a made-up tree of this size, its last branch in the pane; the nodes and the page's sockets."""
    session = world.plant()
    nodes = grown.tree(size, branches)
    sockets = grown.show(view.page, world.url, nodes, session)
    view.until(f"s.ready && s.nodes === {size} && s.tree.drawn > 0")
    return nodes, sockets


def many_jobs(world: World, view: View) -> None:
    """The page's list of jobs is full."""
    world.plant()
    job = world.ok("GET", "/api/jobs")["items"][0]
    jobs = [job | {"id": f"{job['id'][:-3]}{n:03d}", "created": job["created"] - n} for n in range(70)]
    view.page.route(re.compile(r"/api/jobs(\?.*)?$"), lambda route: route.fulfill(json={"items": jobs, "next": None}))


def grow(view: View, nodes: list[dict[str, Any]], socket: Any, count: int) -> list[int]:
    """Commit nodes one by one; how many changes of the page's elements each of them makes."""
    view.page.evaluate(WATCH)
    touched = []
    for _ in range(count):
        grown.grow(nodes, socket)
        view.until(f"s.nodes === {len(nodes)} && s.tree.nodes === {len(nodes)}")
        touched.append(view.page.evaluate("window.touched.splice(0).length"))
    return touched


@pytest.mark.parametrize(("size", "branches"), [(5_000, 150), (20_000, 400)])
def test_a_large_tree_is_drawn_and_changed_in_part(world: World, view: View, size: int, branches: int) -> None:
    """Only what is in view exists as elements, and one more node changes some of them, however large the tree is and
    however many jobs are listed.
    What that costs in time is measured by benchmarks/page.py."""
    many_jobs(world, view)
    nodes, sockets = open_tree(world, view, size, branches)
    assert view.page.locator(".job").count() == 60
    touched = grow(view, nodes, sockets[-1], 40)
    tree = view.state()["tree"]
    assert tree["drawn"] < 600, "what is not in view is not drawn"
    assert tree["openedMs"] > 0
    assert sorted(touched)[20] < 100, touched


def test_rows_of_the_tree_have_pictures(world: World, view: View) -> None:
    """Each leaf in view has its last frame beside it, others are not asked for; a branch that grows keeps one."""
    asked: list[str] = []
    view.page.on("request", lambda request: "/thumbnail" in request.url and asked.append(request.url))
    nodes, sockets = open_tree(world, view, 5_000, 150)
    view.until("""((leaves, pictures) => leaves > 3 && leaves === pictures)(
        document.querySelectorAll(".item .step-label[text-anchor=start]").length,
        document.querySelectorAll(".item .thumb").length,
    )""")
    assert len(set(asked)) < 60, "150 branches have leaves, most of them out of view"
    grown.grow(nodes, sockets[-1])
    view.until(f"s.nodes === {len(nodes)}")
    tip = f"document.querySelector('#t-{nodes[-1]['id']} .thumb')"
    stands_in, own = (f"{tip}.getAttribute('href').includes('{node['id']}')" for node in nodes[-2:])
    view.until(f"{tip} && ({stands_in} || {own})")  # the step before stands in until its own is there
    view.until(f"{tip}.getAttribute('href').includes('{nodes[-1]['id']}')")


def test_the_grid_holds_200_branches(world: World, view: View) -> None:
    """200 thumbnails; sort, filter and search; a click opens a branch in the pane."""
    open_tree(world, view, 2_000, 200)
    view.click("Branches").until("s.view === 'grid'")
    cards = view.page.locator(".card")
    view.until("document.querySelectorAll('.card').length === 200")
    view.page.get_by_label("Sort by").select_option("score")
    view.until("document.querySelector('.card').innerText.includes('0.99')")
    view.page.get_by_label("Show", exact=True).select_option("failed")
    view.until("(n => n > 0 && n < 200)(document.querySelectorAll('.card').length)")
    shown = cards.count()
    assert view.page.locator(".card .chip.bad").count() == shown
    view.page.get_by_label("Show", exact=True).select_option("all")
    view.page.get_by_label("Filter branches").fill("3 cm")
    view.until("(n => n > 0 && n < 200)(document.querySelectorAll('.card').length)")
    before = view.state()["panes"][0]["nodeId"]
    cards.first.click()
    view.until(f"s.view === 'videos' && s.panes[0].nodeId !== '{before}'")
