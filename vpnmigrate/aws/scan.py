"""Scan: work items done by a bounded number of threads; an item may add further items.

The threads are daemons: a signal ends the process without waiting for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import LifoQueue, SimpleQueue
from typing import Generic, TypeVar

from vpnmigrate.model.struct_types import analyse_structs

T = TypeVar("T")

Work = Callable[[], "WorkResult[T]"]
"""Must not raise; what it could not do is part of its result."""


@dataclass(frozen=True)
class WorkResult(Generic[T]):
    """Result of a work item, and the items that it adds."""

    found: T
    more: Sequence[Work[T]] = ()


def scan(works: Iterable[Work[T]], jobs: int) -> Iterator[T]:
    """Yield the results of *works* and of the items that they add, as they are done.

    Added items are done first, so that results come early.  At most *jobs* are
    under way at a time; a thread that is done takes its next work by itself.

    Raises:
        Exception: An item raised it; no other item is started.
    """
    analyse_structs()
    first = list(works)
    ready: LifoQueue[Work[T] | None] = LifoQueue()
    done: SimpleQueue[WorkResult[T] | BaseException] = SimpleQueue()
    for work in reversed(first):
        ready.put(work)
    for _ in range(jobs if first else 0):
        threading.Thread(target=_work, args=(ready, done), name="scan", daemon=True).start()
    left = len(first)
    try:
        while left:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            left += len(result.more) - 1
            yield result.found
    finally:
        for _ in range(jobs):
            ready.put(None)


def _work(
    ready: LifoQueue[Work[T] | None], done: SimpleQueue[WorkResult[T] | BaseException]
) -> None:
    while (work := ready.get()) is not None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  the waiting thread raises it
            done.put(error)
            return
        for more in reversed(result.more):
            ready.put(more)
        done.put(result)
