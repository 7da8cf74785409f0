"""Derived values: each is computed once for a record, and kept as long as the record.

A VPC has hundreds of route tables with hundreds of routes each, which steps, snapshots and
predictions read again in every observation.  Records are frozen, and an observation returns the
same record while its resource stays the same (``aws.reading``), so a value of a record stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

_R = TypeVar("_R")
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class ByIdentity(Generic[_T]):
    """An object that is equal only to itself: comparing or hashing its content would cost more."""

    of: _T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and self.of is other.of

    def __hash__(self) -> int:
        return id(self.of)


def derived(
    function: Callable[Concatenate[_R, _P], _T],
) -> Callable[Concatenate[_R, _P], _T]:
    """Return *function*, which keeps each result with the record that is its first argument.

    The class of the record has ``dict=True``; the other arguments are positional and hashable.
    """

    @wraps(function)
    def kept(record: _R, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        values: dict[Any, Any] = record.__dict__
        key = function, *args
        try:
            value: _T = values[key]
        except KeyError:
            value = values[key] = function(record, *args, **kwargs)
        return value

    return kept
