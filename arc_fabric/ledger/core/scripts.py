"""Loads the Lua scripts of `ledger/lua` and runs them.

A script is named by its path there ("sessions/open") and starts with a line `-- needs: base placement`; those parts of
`lua/lib` are put in front of it, and before them the key names of `keys.py` and the job states that they speak of.
Scripts name their keys themselves (one Redis, no cluster), take JSON texts as arguments and answer with a list whose
first item says what happened. They are safe to run twice with the same arguments: redis-py re-sends a command whose
answer was lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.commands.core import Script
from redis.exceptions import NoScriptError

from arc_fabric import errors
from arc_fabric.base.terms import TERMINAL
from arc_fabric.ledger.core import keys

ASLEEP = "asleep"
"""First item of the answer that names a tree which rests in object storage (lua/lib/trees.lua)."""
_HERE = Path(__file__).parent.parent / "lua"


def refusal(answer: list[Any]) -> errors.ArcFabricError | None:
    """The exception that a script's `{'error', type, message, context}` names, if it is one."""
    if not answer or answer[0] != "error":
        return None
    kind: type[errors.ArcFabricError] = getattr(errors, answer[1])
    return kind(answer[2], **json.loads(answer[3]))


@cache
def source(name: str) -> str:
    """The text of one script with all that it needs in front."""
    text = (_HERE / f"{name}.lua").read_text(encoding="utf-8")
    first, _, _ = text.partition("\n")
    parts = first.removeprefix("-- needs:").split() if first.startswith("-- needs:") else []
    whole = "\n".join([*((_HERE / f"lib/{part}.lua").read_text(encoding="utf-8") for part in parts), text])
    return completed(whole)


def completed(text: str) -> str:
    """Lua with the names of `keys.py` that it uses (`keys.<name>`) in front, and `TERMINAL`, as records have states."""
    named = (f"{name}={_lua(getattr(keys, name))}" for name in sorted(set(re.findall(r"\bkeys\.(\w+)", text))))
    states = ",".join(f"['\"{state}\"']=true" for state in sorted(TERMINAL))
    return f"local keys={{{','.join(named)}}}\nlocal TERMINAL={{{states}}}\n{text}"


def _lua(value: str | int | Callable[[str], str]) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + "".join(c if c.isprintable() else f"\\{ord(c)}" for c in value) + "'"
    before, after = value("\n").split("\n")
    return f"function(id) return '{before}'..id" + (f"..'{after}' end" if after else " end")


class Scripts:
    """The scripts bound to one client. Thread-safe. With a `clock` it, and not Redis, says what time it is."""

    def __init__(
        self, client: Redis, clock: Callable[[], float] | None = None, wake: Callable[[str], None] | None = None
    ) -> None:
        """`wake` brings a tree back that rests in object storage; a script that needs it is asked again then."""
        self._client = client
        self._clock = clock
        self._wake = wake
        self._bound: dict[str, Script] = {}

    def run(self, name: str, *args: str | int | float) -> list[Any]:
        """Run `lua/<name>.lua`; texts come back as str. Raises the error with which it refuses."""
        found = self._awake(name, args, self._called(name, args))
        refused = refusal(found)
        if refused is not None:
            raise refused
        return found

    def _awake(self, name: str, args: Sequence[str | int | float], answer: list[Any]) -> list[Any]:
        """The answer once no tree that the script needs rests."""
        while self._wake is not None and answer and answer[0] == ASLEEP:
            self._wake(answer[1])
            answer = self._called(name, args)
        return answer

    def _called(self, name: str, args: Sequence[str | int | float]) -> list[Any]:
        keys = self._time()
        try:
            answer: list[Any] = self._script(name)(keys=keys, args=args)
        except NoScriptError:  # somebody flushed it again between loading and calling
            answer = self._client.eval(source(name), len(keys), *keys, *args)
        return answer

    def run_many(self, calls: Sequence[tuple[str, Sequence[str | int | float]]]) -> list[list[Any]]:
        """Run scripts (name, arguments) in this order in one round trip; other clients may be served in between.
        Refusals are answers among the others."""
        pipe = self._client.pipeline(transaction=False)
        for name in {name for name, _ in calls}:
            pipe.script_load(source(name))  # after a restart of Redis they are unknown
        loaded, at = len(pipe), self._time()
        for name, args in calls:
            pipe.evalsha(self._script(name).sha, len(at), *at, *args)
        try:
            answers = pipe.execute()[loaded:]
        except NoScriptError:
            answers = [self._called(name, args) for name, args in calls]
        return [self._awake(name, args, answer) for (name, args), answer in zip(calls, answers, strict=True)]

    def _time(self) -> list[str]:
        """What lua/lib/base.lua takes for the time, as a script's only key."""
        return [f"{self._clock():.6f}"] if self._clock else []

    def _script(self, name: str) -> Script:
        script = self._bound.get(name)
        if script is None:
            script = self._bound[name] = self._client.register_script(source(name))
        return script
