"""Growing sequences: the parts of a run's state that get longer with its journal.

A tuple would be copied for each record, so a replay would take time quadratic to the journal.  The
values here are immutable as well, but those that follow from each other share one list, of which
each sees its own beginning.  To extend a value that is not the latest copies the list.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Self, TypeVar, overload

if TYPE_CHECKING:
    from vpnmigrate.journal.state import Intent

T = TypeVar("T")


class GrowingSequence(Sequence[T]):
    """An immutable sequence that equals any sequence with the same items."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Return an item, or a tuple of items."""
        places = range(len(self))[index]
        if isinstance(places, range):
            return tuple(self._item(place) for place in places)
        return self._item(places)

    @abstractmethod
    def _item(self, place: int) -> T:
        """Return the item at *place*, which exists."""

    def __iter__(self) -> Iterator[T]:
        """Yield the items in order."""
        return map(self._item, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Return whether *other* has the same items."""
        if self is other:
            return True
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    def __hash__(self) -> int:
        """Return the hash of a tuple with the same items."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Return the items as text."""
        return repr(tuple(self))

    def __copy__(self) -> Self:
        """Return an equal value that shares its lists; a run makes one for each record."""
        later = object.__new__(type(self))
        slots: tuple[str, ...] = self.__slots__
        for name in slots:
            setattr(later, name, getattr(self, name))
        return later


class GrowingList(GrowingSequence[T]):
    """Items of any kind, such as the entries of a journal."""

    __slots__ = ("_items", "_size")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = list(items)
        self._size = len(self._items)

    def __len__(self) -> int:
        """Return the number of items."""
        return self._size

    def _item(self, place: int) -> T:
        return self._items[place]

    def plus(self, items: Iterable[T]) -> GrowingList[T]:
        """Return these items and *items*."""
        later = GrowingList(self) if len(self._items) != self._size else copy(self)
        for item in items:
            later.append(item)
        return later

    def append(self, item: T) -> None:
        """Add *item* to a value that has not been given to other code."""
        self._items.append(item)
        self._size += 1


class Intents(GrowingSequence["Intent"]):
    """The intents of a run, in the order they were written, with their outcomes so far."""

    __slots__ = ("_answers", "_asked", "_first", "_known", "_later", "_size", "_whole")

    def __init__(self, intents: Iterable[Intent] = ()) -> None:
        self._asked = list(intents)
        self._size = len(self._asked)
        self._answers: list[Intent] = []
        """The answered intents, in the order of the answers."""
        self._first: dict[int, int] = {}
        """The place of an intent, and of its first answer in ``_answers``."""
        self._later: dict[int, list[int]] = {}
        """The same for the answers after the first: few intents have any."""
        self._known = 0
        """How many answers this value has."""
        self._whole: list[Intent] | None = None
        """All items of this value, once they were iterated over: each observation does so."""

    def __len__(self) -> int:
        """Return the number of intents."""
        return self._size

    def __iter__(self) -> Iterator[Intent]:
        """Yield the intents in order."""
        whole = self._whole
        if whole is None:
            whole = self._asked[: self._size]
            for place, first in tuple(self._first.items()):  # Another value may add to it.
                if first >= self._known:
                    break
                whole[place] = self._answers[first]
            for place in tuple(self._later):
                if place < self._size:
                    whole[place] = self._item(place)
            self._whole = whole
        return iter(whole)

    def _item(self, place: int) -> Intent:
        for number in reversed(self._later.get(place, ())):
            if number < self._known:
                return self._answers[number]
        first = self._first.get(place, self._known)
        return self._answers[first] if first < self._known else self._asked[place]

    def at(self, place: int) -> Intent:
        """Return the intent at *place*, which ``place_of`` has found."""
        return self._item(place)

    def place_of(self, number: int) -> int | None:
        """Return the place of intent *number*; intents are numbered from 1, in order."""
        here, asked, size = number - 1, self._asked, self._size
        if size and asked[size - 1].number == number:
            return size - 1
        found = 0 <= here < size and asked[here].number == number
        if found and (here + 1 == size or asked[here + 1].number > number):
            return here
        return next((i for i in range(size - 1, -1, -1) if asked[i].number == number), None)

    def plus(self, intent: Intent) -> Intents:
        """Return these intents and *intent*."""
        later = self.own()
        later.append(intent)
        return later

    def answered(self, place: int, intent: Intent) -> Intents:
        """Return these intents, with *intent* at *place*, which has its outcome now."""
        later = self.own()
        later.answer(place, intent)
        return later

    def append(self, intent: Intent) -> None:
        """Add *intent* to a value of ``own`` that has not been given to other code."""
        self._asked.append(intent)
        self._size += 1
        self._whole = None

    def answer(self, place: int, intent: Intent) -> None:
        """Add the outcome of *intent* at *place*, to a value as for ``append``."""
        if place in self._first:
            self._later.setdefault(place, []).append(self._known)
        else:
            self._first[place] = self._known
        self._answers.append(intent)
        self._known += 1
        self._whole = None

    def own(self) -> Intents:
        """Return an equal value that its owner may extend in place."""
        if len(self._asked) != self._size or len(self._answers) != self._known:
            return Intents(self)
        return copy(self)


class UniqueTexts(GrowingSequence[str]):
    """Texts, each once, in the order in which they came."""

    __slots__ = ("_places", "_size", "_texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = list(dict.fromkeys(texts))
        self._places = {text: place for place, text in enumerate(self._texts)}
        self._size = len(self._texts)

    def __len__(self) -> int:
        """Return the number of texts."""
        return self._size

    def __contains__(self, text: object) -> bool:
        """Return whether *text* is one of them."""
        return isinstance(text, str) and self._places.get(text, self._size) < self._size

    def _item(self, place: int) -> str:
        return self._texts[place]

    def plus(self, *texts: str) -> UniqueTexts:
        """Return these texts, and those of *texts* that are new."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self]
        if not fresh:
            return self
        later = UniqueTexts(self) if len(self._texts) != self._size else copy(self)
        for text in fresh:
            later.append(text)
        return later

    def append(self, text: str) -> None:
        """Add *text*, which is new, to a value that has not been given to other code."""
        self._places[text] = self._size
        self._texts.append(text)
        self._size += 1
