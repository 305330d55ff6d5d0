"""A bounded memory of what was verified, in two generations.

Room: gate. New things go into ``young``. When it is full it becomes ``old`` and what was old is forgotten; what is
asked for again moves back. So the size is bounded, forgetting costs nothing on a hit, and what is in use stays.
With more things in use than there is room, each is forgotten before it comes again, and costs what it cost at
first sight.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class Memo(Generic[K, V]):
    """At most ``size`` things.

    Args:
        size: the bound, at least 2; each generation holds half of it.
    """

    __slots__ = ("_half", "old", "young")

    def __init__(self, size: int) -> None:
        self._half = size // 2
        self.young: dict[K, V] = {}
        self.old: dict[K, V] = {}

    def get(self, key: K, default: D) -> V | D:
        """What is remembered under a key, or the default."""
        if key in self.young:
            return self.young[key]
        if key in self.old:
            value = self.old.pop(key)
            self.put(key, value)
            return value
        return default

    def put(self, key: K, value: V) -> None:
        """Remember."""
        if len(self.young) >= self._half and key not in self.young:
            # A new dictionary, not an emptied one: a reader that holds it still sees true things.
            self.old, self.young = self.young, {}
        self.young[key] = value

    def __len__(self) -> int:
        return len(self.young) + len(self.old)
