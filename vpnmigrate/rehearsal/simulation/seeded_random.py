"""Seeded random: the random source of every simulation.

Only ``random()`` is used, because Python guarantees its sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

_T = TypeVar("_T")


class SeededRandom:
    """A random source with a seed."""

    def __init__(self, seed: object) -> None:
        self._random = Random(str(seed))  # noqa: S311 - repeatable on purpose

    def chance(self, of: float) -> bool:
        """Return True with probability *of*."""
        return self._random.random() < of

    def number(self, least: int, most: int) -> int:
        """Return a drawn whole number between *least* and *most*, both included."""
        return least + int(self._random.random() * (most - least + 1))

    def size(self, few: Sequence[int], most: int) -> int:
        """Return one of *few*; one time in twenty, any number from the first of them to *most*.

        Small worlds can fail in the same ways, and twenty take as long as a large one.
        """
        return self.number(few[0], most) if self.chance(0.05) else self.one(few)

    def one(self, of: Sequence[_T]) -> _T:
        """Return a drawn element of *of*."""
        return of[self.number(0, len(of) - 1)]
