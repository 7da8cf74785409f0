"""Scan: work that is done by a bounded number of threads, and may bring more work.

The threads are daemons: a signal ends the process without waiting for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

Work = Callable[[], "WorkResult[T]"]
"""Must not raise; what it could not do is part of its result."""


@dataclass(frozen=True)
class WorkResult(Generic[T]):
    """Result of a piece of work, and the work that follows from it."""

    found: T
    more: Sequence[Work[T]] = ()


def scan(works: Iterable[Work[T]], jobs: int) -> Iterator[T]:
    """Yield the results of *works* and of the work that they bring, as they are done.

    Work that came from other work is done first, so that results come early.  At most *jobs* are
    under way at a time.

    Raises:
        Exception: A piece of work raised it; nothing else is started.
    """
    waiting = list(works)[::-1]
    ready: SimpleQueue[Work[T] | None] = SimpleQueue()
    done: SimpleQueue[WorkResult[T] | BaseException] = SimpleQueue()
    threads = 0
    under_way = 0
    try:
        while waiting or under_way:
            while waiting and under_way < jobs:
                if threads == under_way:
                    threading.Thread(
                        target=_work, args=(ready, done), name="scan", daemon=True
                    ).start()
                    threads += 1
                ready.put(waiting.pop())
                under_way += 1
            result = done.get()
            under_way -= 1
            if isinstance(result, BaseException):
                raise result
            waiting.extend(reversed(result.more))
            yield result.found
    finally:
        for _ in range(threads):
            ready.put(None)


def _work(
    ready: SimpleQueue[Work[T] | None], done: SimpleQueue[WorkResult[T] | BaseException]
) -> None:
    while (work := ready.get()) is not None:
        try:
            done.put(work())
        except BaseException as error:  # noqa: BLE001  the waiting thread raises it
            done.put(error)
