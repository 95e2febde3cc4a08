"""The Lua scripts: all load, their key names are those of `keys.py`, and nobody else spells one."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

from redis import Redis

from arc_fabric.ledger import Ledger
from arc_fabric.ledger.core import keys, scripts
from tests.ledger.conftest import Hand

ROOT = Path(__file__).resolve().parents[2]
LUA = ROOT / "arc_fabric" / "ledger" / "lua"


def _texts(path: Path) -> Iterator[str]:
    """String literals of a module but for docstrings."""
    tree = ast.parse(path.read_text())
    docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_key_names_are_spelled_in_one_file() -> None:
    """No literal "arc:..." in product code outside keys.py, Python and Lua."""
    modules = [path for room in ("arc_fabric", "workers", "webapp") for path in sorted((ROOT / room).rglob("*.py"))]
    spelled = {path.relative_to(ROOT).as_posix() for path in modules if any("arc:" in t for t in _texts(path))}
    spelled |= {path.relative_to(ROOT).as_posix() for path in LUA.rglob("*.lua") if "arc:" in path.read_text()}
    assert spelled == {"arc_fabric/ledger/core/keys.py"}


def test_lua_has_the_names_of_python(ledger: Ledger) -> None:
    """Each constant and each function of keys.py has the same value in a script."""
    found = {}
    for name, value in vars(keys).items():
        if name.isupper():
            found[f"keys.{name}"] = str(value)
        elif callable(value) and isinstance(value("x"), str):
            found[f"keys.{name}('x\\1y')"] = value("x\1y")
    assert len(found) > 25
    lua = "return {" + ",".join(f"tostring({call})" for call in found) + "}"
    assert ledger.redis.eval(scripts.completed(lua), 0) == list(found.values())


def test_every_script_loads_and_no_folder_is_crowded(ledger: Ledger) -> None:
    """Also those that no other test runs."""
    names = [p.relative_to(LUA).with_suffix("").as_posix() for p in LUA.rglob("*.lua") if p.parent.name != "lib"]
    client: Redis = ledger.redis
    assert len({client.script_load(scripts.source(name)) for name in names}) == len(names) > 25
    assert all(len(list(folder.iterdir())) <= 16 for folder in LUA.iterdir())


def test_a_script_takes_the_time_from_the_clock_or_from_redis(ledger: Ledger, redis_url: str) -> None:
    """What a ledger with a clock writes has the clock's time; without one it is the server's."""
    other = Ledger(redis_url)
    try:
        made = ledger.sessions.open(prompt="p", input_key="sample:table")[0]
        assert made.created == round(ledger.core.now(), 6)
        before, _ = other.redis.time()
        made = other.sessions.open(prompt="p", input_key="sample:table")[0]
        assert before <= made.created <= other.redis.time()[0] + 1
    finally:
        other.close()


def test_scripts_run_though_somebody_flushes_them(ledger: Ledger, hand: Hand) -> None:
    """Also between loading and calling one: a step failed with "No matching script"."""
    session, over = hand.opened(), threading.Event()

    def flush() -> None:
        with Redis.from_url(ledger.core.redis_url) as client:
            while not over.is_set():
                client.script_flush()

    threads = [threading.Thread(target=flush) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(150):
            ledger.nodes.update(session.head, label=f"{number}")
            assert [worker.name for worker in ledger.workers.all()] == [hand.name]  # several in one pipeline
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert ledger.nodes.get(session.head).label == "149"
