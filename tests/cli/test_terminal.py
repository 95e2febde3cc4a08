"""What others wrote cannot steer the terminal of who looks at it, whichever command shows it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.progress import Progress

from arc_fabric.cli import output
from arc_fabric.cli.local import settings as settings_command
from arc_fabric.cli.remote import compare, sessions, tree
from arc_fabric.cli.terminal import Terminal, harmless
from arc_fabric.errors import InvalidRequest
from tests.cli.test_drawing import node, session

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1m\r\x08\x7f\u202e[link=http://x]click[/link][/]\ud800"
OURS = re.compile(r"\x1b\[[\d;]*m|\x1b\]8;[^\x1b]*\x1b\\")
"""Colours and links that rich itself writes on a terminal."""


def commands() -> dict[str, Callable[[], Any]]:
    """What people see of texts that others chose."""
    nodes = [node("n0", None, 0, prompt=HOSTILE), node("n1", "n0", 1, label=HOSTILE)]
    one = session("a", "n1", 1) | {"label": HOSTILE}
    facts = {"tree_id": "n0", "root": "n0", "nodes": nodes, "sessions": [one]}
    listed = one | {
        "frame_index": 1,
        "seed": 1,
        "worker": HOSTILE,
        "updated": 1,
        "n_frames": 9,
        "bulk": False,
        "durability": "durable",
    }
    compared = {
        "nodes": nodes, "common_ancestor": "n0", "common_frame_index": 0, "first_differing_frame_index": None,
        "series": {}, "equal": {},
    }  # fmt: skip
    return {
        "tree": lambda: tree.draw(facts),
        "tree --full": lambda: tree.draw(facts, full=True),
        "show": lambda: output.out.print(tree.Pretty(facts, expand_all=True)),
        "sessions": lambda: sessions._table([listed]),
        "compare": lambda: compare._report(compared),
        "settings": lambda: settings_command._table(
            [{"name": "model", "value": HOSTILE, "source": "file", "description": "x"}]
        ),
        "an error": lambda: output.report_error(InvalidRequest(HOSTILE, hint=HOSTILE), False),
    }


@pytest.mark.parametrize("what", commands())
@pytest.mark.parametrize("colour", [False, True], ids=["piped", "terminal"])
def test_no_command_obeys_a_label(what: str, colour: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every character that a terminal would obey is a picture; what looks like markup is text."""
    shown = io.StringIO()
    for module in (output, tree, sessions, compare, settings_command):
        for name in ("out", "err"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, Terminal(file=shown, force_terminal=colour, width=400))
    commands()[what]()
    text = OURS.sub("", shown.getvalue())
    assert "red" in text, text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800]", text), repr(text)
    assert "[link=" in text or what == "show", text
    shown.getvalue().encode()


def test_json_is_harmless_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Escaped, as JSON has it."""
    output.emit({"label": HOSTILE}, True, lambda facts: None)
    assert "\x1b" not in (text := capsys.readouterr().out)
    assert "\\u001b" in text


def test_a_progress_bar_is_drawn_and_its_text_is_harmless() -> None:
    """rich moves the cursor for it, and only rich."""
    shown = io.StringIO()
    with Progress(console=Terminal(file=shown, force_terminal=True, width=80)) as progress:
        progress.add_task("title \x1b]0;owned\x07", total=1)
    assert "\x1b]0;" not in shown.getvalue()
    assert "␛]0;own" in shown.getvalue()
    assert "\x1b[" in shown.getvalue()


def test_ordinary_texts_stay_as_they_are() -> None:
    """Also those of other scripts, right to left among them."""
    for text in ("pick up the red cup", "赤いカップ", "הכוס האדומה", "tab\tand\nline", "é ✓ 😀"):
        assert harmless(text) == text
