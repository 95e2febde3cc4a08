"""Rows and what they come to; two runs against one another; the report."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from arc_fabric.base.tables import csv_lines, to_csv
from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.comparison import compare
from arc_fabric.evaluation.plan import Plan
from arc_fabric.evaluation.report import report
from arc_fabric.evaluation.results import (
    columns,
    flat,
    row_of,
    scorers_of,
    seed_groups,
    table,
    to_jsonl,
    verdict_of,
    word_of,
)
from arc_fabric.evaluation.statistics import mcnemar
from arc_fabric.evaluation.summing import MOST_VALUES, summary
from arc_fabric.evaluation.words import tried
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


def test_what_differs_is_compared_in_pairs() -> None:
    """Each prompt has its own seeds good; a pair agrees in the seed."""
    good = {"a": range(20), "b": range(18, 20), "c": range(1, 21)}
    rows = [row(20 * n + seed, prompt=prompt, seed=seed, good=seed in good[prompt])
            for n, prompt in enumerate("abc") for seed in range(21)]  # fmt: skip
    found = summary([*rows, error(99, prompt="b", seed=30)])["differences"]
    assert [(one["by"], one["best"], one["than"]) for one in found] == [("prompt", "a", "c"), ("prompt", "a", "b")]
    equal, sure = found
    assert (equal["pairs"], equal["only_best"], equal["only_than"], equal["p"]) == (21, 1, 1, 1.0)
    assert (sure["pairs"], sure["only_best"], sure["only_than"]) == (21, 18, 0)
    assert sure["p"] == pytest.approx(3 * mcnemar(18, 0)), "three pairs of prompts were compared"
    assert summary(rows[:21])["differences"] == []


def test_settings_of_the_model_are_a_group() -> None:
    """By what they are in words, in counts and in tables; rows of before have none."""
    plan = Plan(checkpoints=[AT], steps=1, model_settings={"guidance": [1, 2.5]})
    job = {"state": "succeeded", "result": {"head": "ckp_2", "steps": [{"wall_s": 0.1}]}}
    rows = [row_of(plan.variant(n), job, [{"name": "x", "value": 1.0, "verdict": n == 1}]) for n in range(2)]
    assert [one["model_settings"] for one in rows] == ["guidance=1", "guidance=2.5"]
    by = summary([*rows, row(2)])["by"]["model_settings"]
    assert [(one["model_settings"], one["good"]) for one in by] == [("guidance=1", 0), ("guidance=2.5", 1), (None, 1)]
    assert table(rows)["model_settings"] == ["guidance=1", "guidance=2.5"]
    assert tried(plan.model_dump()) == "2 values of guidance, 1 step each; judged by action_magnitude"


def test_groups_of_seeds_hold_no_more_than_a_scorer_is_given() -> None:
    """The lowest seeds, whatever the order; what differs in more than the seed is a group of its own."""
    rows = [row(n, seed=99 - n, prompt="ab"[n % 2]) for n in range(100)]
    found = seed_groups(iter([*rows, row(100, seed=0, prompt="alone"), error(101, seed=3)]), 8)
    assert [group.n for group in found] == [50, 50]
    assert [[one["seed"] for one in group.rows] for group in found] == [list(range(1, 17, 2)), list(range(0, 16, 2))]
    assert "scores" not in found[0].rows[0]


def test_why_there_is_no_verdict_is_said_once() -> None:
    found = summary([row(0), row(1, good=None), row(2, good=None), error(3)])
    assert found["examples"] == {
        "none": {"variant": 1, "reason": "motion: so"}, "error": {"variant": 3, "reason": "it broke"}
    }  # fmt: skip


def test_of_equal_scores_the_first_is_best_and_the_last_worst() -> None:
    rows = [row(n, score=float(n in (1, 2))) for n in range(5)]
    assert [summary(rows)[end] for end in ("best", "worst")] == [1, 4]
    for one in rows:
        one["scores"][0]["better"] = "lower"
    assert [summary(rows)[end] for end in ("best", "worst")] == [0, 2]


def test_what_has_too_many_values_is_named_and_not_counted_by_each() -> None:
    found = summary([row(n) for n in range(MOST_VALUES + 2)])
    assert (found["by"], found["too_many"], found["all"]["n"]) == ({}, ["seed"], MOST_VALUES + 2)


def test_files_hold_every_row() -> None:
    rows = [row(0, prompt='=cmd|"x"'), error(1)]
    lines = [json.loads(line) for line in to_jsonl({"plan_digest": "d"}, rows)]
    assert [line["variant"] for line in lines] == [0, 1]
    assert {line["plan_digest"] for line in lines} == {"d"}
    read = list(csv.DictReader(io.StringIO(to_csv(table(rows)))))
    assert read[0]["prompt"] == '\'=cmd|"x"', "no formula for a spreadsheet"
    assert read[1]["error"] == "it broke"
    assert {len(column) for column in table(rows).values()} == {2}
    names = scorers_of(rows)
    assert "".join(csv_lines(columns(names), (flat(row, names) for row in rows))) == to_csv(table(rows))


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
    assert "1 ended in an error and count for nothing: it broke" in page
    assert "&#x27; is better than" in page or "is not shown to be better than" in page
    assert "steps = 2" in page


def test_a_report_of_ten_thousand_rows_stays_small() -> None:
    rows = [row(n, seed=n) for n in range(10_000)]
    facts = {"id": "evl_1", "label": None, "state": "finished", "why": None, "created": 0.0, "total": 10_000,
             "steps": 9, "model": {"name": "toy"}, "plan_digest": "d", "versions": {}}  # fmt: skip
    page = report(facts, {"seeds": list(range(10_000)), "steps": 2}, rows, {})
    assert len(page) < 64 << 10
    assert "0 to 9999, 10000 in all" in page
