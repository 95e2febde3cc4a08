"""A member of a record is one line: ledger, events, imports, HTTP schemas and clients follow from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from arc_fabric.records import Node, Session, brought

ROOT = Path(__file__).resolve().parents[2]


def test_a_throw_away_member_shows_up_everywhere(redis_url: str) -> None:
    """Nothing but the definition knows of it; a fresh process, since the definitions are read once."""
    run = [sys.executable, "-m", "tests.records.one_edit", redis_url]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ledger"] == ["calm", "calm", "merry"]
    assert told["event"] == "merry"
    assert told["imported"] == ["moved", "merry"]
    assert told["client"] == ["moved", "calm", "merry"]
    for schema, required in told["schemas"].values():
        assert (schema["description"], schema["examples"], schema["type"]) == ("How it feels.", ["calm"], "string")
        assert required


@pytest.mark.parametrize("name", ["steered", "observed"])
def test_what_came_later_may_be_missing_in_a_bundle(name: str) -> None:
    """It takes its default; what was there from the beginning is asked for."""
    view = {"id": "ckp_" + "0" * 26, "session_id": "ses_" + "0" * 26, "tree_id": "ckp_" + "0" * 26}
    whole = Node(**view).to_dict()
    assert brought(Node, whole)[1] == set()
    assert brought(Node, {n: value for n, value in whole.items() if n != name})[1] == set()
    assert brought(Node, {n: value for n, value in whole.items() if n != "prompt"})[1] == {"prompt"}


def test_what_only_its_home_knows_is_not_brought() -> None:
    """A session's worker, place and queue, a node's pin."""
    view = Session("ses_" + "0" * 26, worker="gpu.0", queued=3, label="mine").to_dict()
    given, wrong = brought(Session, view)
    assert wrong == set() and given["label"] == "mine"
    assert given.keys().isdisjoint({"worker", "queued", "running_job", "head", "state"})
