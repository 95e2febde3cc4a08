"""Rows and what they come to; two runs against one another; the report."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from arc_fabric.base.tables import to_csv
from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.comparison import compare
from arc_fabric.evaluation.plan import Plan
from arc_fabric.evaluation.report import report
from arc_fabric.evaluation.results import row_of, summary, table, to_jsonl, verdict_of, word_of
from tests.evaluation.rows import error, row

AT = "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"


def test_an_error_is_no_failure() -> None:
    rows = [row(0), row(1, good=False), error(2), row(3, good=None)]
    found = summary(rows)["all"]
    assert (found["n"], found["good"], found["bad"], found["errors"], found["unjudged"]) == (4, 1, 1, 1, 1)
    assert found["rate"] == 0.5


def test_a_verdict_is_good_when_none_says_bad() -> None:
    assert verdict_of([{"verdict": True}, {"verdict": None}]) is True
    assert verdict_of([{"verdict": True}, {"verdict": False}]) is False
    assert verdict_of([{"verdict": None}]) is None


def test_a_broken_scorer_makes_an_error_and_keeps_what_was_made() -> None:
    plan = Plan(checkpoints=[AT], steps=1)
    job = {"state": "succeeded", "result": {"head": "ckp_2", "steps": [{"wall_s": 0.1}]}}
    found = row_of(plan.variant(0), job, [{"name": "x", "value": None, "verdict": None, "error": {"message": "no"}}])
    assert (word_of(found), found["head"], found["steps"]) == ("error", "ckp_2", 1)
    failed = row_of(plan.variant(0), {"state": "failed", "error": {"message": "out of memory"}}, [])
    assert (word_of(failed), failed["head"], failed["error"]["message"]) == ("error", None, "out of memory")


def test_groups_are_of_what_differs() -> None:
    rows = [row(n, prompt="ab"[n % 2], seed=n // 2, good=n % 2 == 0) for n in range(8)]
    found = summary(rows)
    assert set(found["by"]) == {"prompt", "seed"}
    assert [(group["prompt"], group["rate"]) for group in found["by"]["prompt"]] == [("a", 1.0), ("b", 0.0)]
    assert (found["best"], found["worst"]) == (7, 0)


def test_files_hold_every_row() -> None:
    rows = [row(0, prompt='=cmd|"x"'), error(1)]
    lines = [json.loads(line) for line in to_jsonl({"plan_digest": "d"}, rows).splitlines()]
    assert [line["variant"] for line in lines] == [0, 1]
    assert {line["plan_digest"] for line in lines} == {"d"}
    read = list(csv.DictReader(io.StringIO(to_csv(table(rows)))))
    assert read[0]["prompt"] == '\'=cmd|"x"', "no formula for a spreadsheet"
    assert read[1]["error"] == "it broke"
    assert {len(column) for column in table(rows).values()} == {2}


def test_two_runs_are_paired_by_seed() -> None:
    before = [row(n, prompt="old", good=n != 3) for n in range(10)]
    after = [row(n, prompt="new", good=n > 7) for n in range(12)] + [error(12, prompt="new")]
    found = compare(before, after)
    assert (found.pairs, found.both, found.only_first, found.only_second, found.neither) == (10, 2, 7, 0, 1)
    assert "prompt" not in found.matched_on, "one prompt each: it is what is compared"
    assert found.worse()
    assert found.change == pytest.approx(-0.7)
    assert not compare(after, before).worse()


def test_prompts_pair_where_there_are_several() -> None:
    rows = [row(n, prompt="ab"[n % 2], seed=n // 2) for n in range(6)]
    assert compare(rows, rows).pairs == 6
    with pytest.raises(InvalidRequest, match="No variant"):
        compare(rows, [row(0, prompt="c", seed=99)])


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without an end."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_stands_by_itself() -> None:
    evil = "<script>alert(1)</script>\"'"
    rows = [row(n, prompt=("a", evil)[n % 2], seed=n // 2, good=n % 3 > 0) for n in range(12)] + [error(12)]
    facts = {"id": "evl_1", "label": evil, "state": "finished", "why": None, "created": 0.0, "total": 14, "steps": 24,
             "model": {"name": "toy"}, "plan_digest": "d", "versions": {}}  # fmt: skip
    page = report(facts, {"prompts": [evil], "steps": 2}, rows, {3: b"RIFF", 4: b"RIFF"})
    parser = _Parser()
    parser.feed(page)
    assert parser.open == []
    assert all(source.startswith("data:image/webp;base64,") for source in parser.sources)
    assert len(parser.sources) == 2
    assert not re.search(r"https?://", page)
    assert "1 of 14 have no result yet" in page
    assert "1 ended in an error" in page
