"""Randomness for generators: the same seed gives the same puzzle on every machine and every Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """Draws for one puzzle. `level` says how hard it should be, from 1.

    Built on `random.Random.random()` alone: Python promises that its sequence never changes for a seed, and promises
    no such thing for `choice`, `shuffle` or `randint`.
    """

    def __init__(self, key: str, level: int = 1) -> None:
        self.level = level
        self._random = random.Random(key).random  # noqa: S311 -- puzzles need repeatability, not secrecy

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, probability: float = 0.5) -> bool:
        return self._random() < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, in random order. Raises ValueError where there are fewer."""
        pool = list(items)
        if count > len(pool):
            raise ValueError(f"cannot take {count} of {len(pool)} items")
        for i in range(count):
            j = i + int(self._random() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.sample(items, len(items))

    def sizes(self, count: int, low: int = 2, high: int = 6) -> list[int]:
        """`count` different axis sizes, none of them 1: size 1 broadcasts and hides mistakes."""
        return self.sample(range(low, high + 1), count)

    def distinct(self, count: int, low: int, high: int) -> list[int]:
        """`count` different whole numbers from low to high."""
        return self.sample(range(low, high + 1), count)

    def ints(self, *shape: int, low: int = -9, high: int = 9) -> list[object]:
        """A nested list of that shape, to be printed into a program."""
        if len(shape) == 1:
            return [self.integer(low, high) for _ in range(shape[0])]
        return [self.ints(*shape[1:], low=low, high=high) for _ in range(shape[0])]
