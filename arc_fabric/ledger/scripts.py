"""Loads the Lua scripts beside this file and runs them.

A script starts with a line `-- needs: base placement`; those parts of `lua/` are put in front of it. Scripts
name their keys themselves (one Redis, no cluster), take JSON texts as arguments and answer with a list whose
first item says what happened. They are safe to run twice with the same arguments: redis-py re-sends a command whose
answer was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.commands.core import Script

_HERE = Path(__file__).parent / "lua"


@cache
def source(name: str) -> str:
    """The text of one script with its parts in front."""
    text = (_HERE / f"{name}.lua").read_text(encoding="utf-8")
    first, _, _ = text.partition("\n")
    parts = first.removeprefix("-- needs:").split() if first.startswith("-- needs:") else []
    return "\n".join([(_HERE / f"{part}.lua").read_text(encoding="utf-8") for part in parts] + [text])


class Scripts:
    """The scripts bound to one client. Thread-safe."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._bound: dict[str, Script] = {}

    def run(self, name: str, *args: str | int | float) -> list[Any]:
        """Run `lua/<name>.lua`; texts come back as str."""
        return self._script(name)(args=args)

    def run_many(self, calls: Sequence[tuple[str, Sequence[str | int | float]]]) -> list[list[Any]]:
        """Run scripts one after the other in one round trip; other clients may be served in between."""
        pipe = self._client.pipeline(transaction=False)
        for name in {name for name, _ in calls}:
            pipe.script_load(source(name))  # after a restart of Redis they are unknown
        loaded = len(pipe)
        for name, args in calls:
            pipe.evalsha(self._script(name).sha, 0, *args)
        return pipe.execute()[loaded:]

    def _script(self, name: str) -> Script:
        script = self._bound.get(name)
        if script is None:
            script = self._bound[name] = self._client.register_script(source(name))
        return script
