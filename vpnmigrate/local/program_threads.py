"""Program threads: programs in parallel with the run; one thread collects their results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class ProgramThreads(Generic[T]):
    """Threads that each run one program with a time limit, and keep its result until ``ended``."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        """Set at an interrupt: each program has to be killed."""
        self._results: SimpleQueue[T] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def running(self) -> int:
        """The number of programs that have not ended."""
        return sum(thread.is_alive() for thread in self._threads)

    def start(self, name: str, work: Callable[[], T]) -> str:
        """Call *work* in a thread called *name*; return why that fails, or an empty string.

        The thread is not a daemon thread: the process waits for the program, which has a time
        limit.
        """
        thread = threading.Thread(target=lambda: self.keep(work()), name=name)
        try:
            thread.start()
        except RuntimeError as error:  # The host has no thread left.
            return f"was not run: {error}"
        self._threads = [each for each in (*self._threads, thread) if each.is_alive()]
        return ""

    def keep(self, result: T) -> None:
        """Keep *result* until ``ended``."""
        self._results.put(result)

    def ended(self) -> Iterator[T]:
        """Yield each result that has not been collected."""
        with suppress(Empty):
            while True:
                yield self._results.get_nowait()

    def finish(self) -> None:
        """Wait for the programs within their time limits; an interrupt stops them at once."""
        try:
            self._join()
        except KeyboardInterrupt:
            self.stop.set()
            self._join()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
