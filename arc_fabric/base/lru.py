"""What is kept at hand within a budget: the order of use and the weight of things, for every cache of this project.

>>> kept: Lru[str, bytes] = Lru(5, len)
>>> kept.add("a", b"123"), kept.add("b", b"45"), kept.get("a")
([], [], b'123')
>>> kept.add("c", b"6789")
[('b', b'45'), ('a', b'123')]
>>> kept.used
4
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Values by key, the least recently used first. Not thread-safe: the owner holds its lock.

    At most `budget` of what `weigh` says (taken when a value is put), and at most `most` values; `least` of them stay
    whatever they weigh.
    """

    def __init__(self, budget: int, weigh: Callable[[V], int], *, most: float = float("inf"), least: int = 0) -> None:
        self.budget, self.used = budget, 0
        self._weigh, self._most, self._least = weigh, most, least
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def items(self) -> list[tuple[K, V]]:
        """All of them, the least recently used first."""
        return [(key, value) for key, (value, _) in self._items.items()]

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None if it is not there."""
        if key in self._items:
            self._items.move_to_end(key)
        return self.peek(key)

    def peek(self, key: K) -> V | None:
        """The value, without counting it as used."""
        return self._items[key][0] if key in self._items else None

    def put(self, key: K, value: V) -> None:
        """Keep a value as the latest, in place of an older one, whatever the budget."""
        self.pop(key)
        self._items[key] = value, self._weigh(value)
        self.used += self._items[key][1]

    def pop(self, key: K) -> V | None:
        """Take a value out; None if it is not there."""
        value, weight = self._items.pop(key, (None, 0))
        self.used -= weight
        return value

    def shrink(self, *, keep: Callable[[K], bool] = lambda key: False, beside: int = 0) -> list[tuple[K, V]]:
        """Take the oldest out until the budget holds, and return them. Those that `keep` names stay; `beside` is what
        counts on top of what is here (less than 0: what does not count)."""
        gone: list[tuple[K, V]] = []
        for key, (value, weight) in self._items.items():
            left = len(self._items) - len(gone)
            if left <= self._least or (left <= self._most and self.used + beside <= self.budget):
                break
            if not keep(key):
                gone.append((key, value))
                self.used -= weight
        for key, _ in gone:
            del self._items[key]
        return gone

    def add(self, key: K, value: V) -> list[tuple[K, V]]:
        """`put` and `shrink`: what had to go for it, which may be itself."""
        self.put(key, value)
        return self.shrink()
