"""Background threads: whatever a round raises, the thread goes on, says so, and is heard when it cannot."""

from __future__ import annotations

import ast
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from arc_fabric.base import threads
from arc_fabric.base.threads import STUCK_AFTER, Rounds, Supervisor, once, told
from tests.support.waiting import eventually
from tools.rooms import ROOT

HERE = "arc_fabric/base/threads.py"
CODE = ("arc_fabric", "workers", "webapp")
STARTERS = {"Thread", "Timer", "start_new_thread", "Process"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures in a row are tried again at once."""
    monkeypatch.setattr(threads, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(threads, "_OUTAGE_PAUSE_S", 0.0)


class Script:
    """A round that raises these errors one after the other, and then does well."""

    def __init__(self, *errors: BaseException) -> None:
        self._errors: Iterator[BaseException] = iter(errors)
        self.well = threading.Event()

    def __call__(self) -> None:
        """One round."""
        for error in self._errors:
            raise error
        self.well.set()


@pytest.mark.parametrize(
    "error", [RecursionError("[[["), KeyError("x"), MemoryError(), SystemExit(1), KeyboardInterrupt()]
)
def test_a_round_that_raises_anything_is_followed_by_the_next(error: BaseException) -> None:
    """Not even what ends a program ends a thread silently."""
    script = Script(error, error)
    rounds = Rounds("r", script, every_s=0.001, supervisor=Supervisor()).start()
    assert script.well.wait(60)
    assert rounds.end(60)


def test_what_fails_is_sick_until_it_is_well(caplog: pytest.LogCaptureFixture) -> None:
    """The supervisor knows thread and cause; the log has the traceback; afterwards nothing is left of it."""
    supervisor, gate = Supervisor(), threading.Event()

    def fail_until_told() -> None:
        if not gate.is_set():
            raise ValueError("a broken thing")

    with caplog.at_level(logging.INFO):
        rounds = Rounds("janitor", fail_until_told, every_s=0.001, supervisor=supervisor).start()
        assert eventually(supervisor.sick) == {"janitor": "ValueError: a broken thing"}
        gate.set()
        eventually(lambda: not supervisor.sick())
    rounds.end(60)
    assert any(record.exc_info for record in caplog.records) and "well again" in caplog.text


def test_who_cannot_go_on_is_heard_once_and_tries_on() -> None:
    """After STUCK_AFTER failures in a row the process is told."""
    supervisor, heard = Supervisor(), []
    supervisor.on_stuck = heard.append
    script = Script(*[ValueError("no way")] * (STUCK_AFTER + 3))
    rounds = Rounds("pins", script, every_s=0.001, supervisor=supervisor).start()
    assert script.well.wait(60)
    rounds.end(60)
    assert len(heard) == 1 and "pins" in heard[0] and "no way" in heard[0]


def test_an_outage_is_waited_out_however_long() -> None:
    """A server that is away is no reason to end a process; nor is it counted with what came before."""
    supervisor, heard = Supervisor(), []
    supervisor.on_stuck = heard.append
    script = Script(*[ConnectionError("away")] * 5 * STUCK_AFTER, ValueError("once"))
    rounds = Rounds("reaper", script, every_s=0.001, outages=(ConnectionError,), supervisor=supervisor).start()
    assert script.well.wait(60)
    rounds.end(60)
    assert not heard


@pytest.mark.parametrize("start", [lambda f: once("o", f), lambda f: told(ThreadPoolExecutor(1), f)])
def test_a_single_call_that_fails_is_logged(
    start: Callable[[Callable[[], None]], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it, so nobody else would hear of it."""

    def fail() -> None:
        raise ValueError("unheard")

    start(fail)
    eventually(lambda: "unheard" in caplog.text)


def test_no_thread_is_started_anywhere_else() -> None:
    """Calls and bases named Thread or Timer, and pools' calls whose outcome nobody looks at, are in that one file."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in CODE
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != ROOT / HERE
        for node in ast.walk(ast.parse(path.read_text()))
        if _starts_a_thread(node) or _forgets(node)
    ]
    assert found == []


def _starts_a_thread(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        return any(_name(base) in STARTERS for base in node.bases)
    return isinstance(node, ast.Call) and _name(node.func) in STARTERS and ast.unparse(node.func) != "psutil.Process"


def _forgets(node: ast.AST) -> bool:
    """`pool.submit(call, ...)` as a statement; a writer takes one job and answers for it."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or _name(call.func) != "submit":
        return False
    return "writer" not in ast.unparse(call.func)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
