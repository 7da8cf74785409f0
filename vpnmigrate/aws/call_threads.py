"""Call threads: calls (``aws.account``) that can be abandoned when they take too long.

An abandoned read changes nothing.  A request that may alter AWS was either sent before its thread
is abandoned, and is then in doubt, or is never sent (``allowance``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from vpnmigrate.aws.allowance import Allowance, within
from vpnmigrate.aws.outcomes import OFFLINE_LIMIT
from vpnmigrate.aws.session import WRITE_TIMEOUT
from vpnmigrate.engine.ports import InFlight, NewWaitCheck, WaitCheck
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors import AwsUnreadableError

T = TypeVar("T")

SEND_WITHIN: Final = timedelta(seconds=30)
"""From the start of a call: for credentials, name resolution, connection and its own reads.

The intent is half a minute old at most when the call starts (``engine.execute.FRESH``), so every
request is sent within half of the consistency delay, which is counted from the intent."""
CHANGE_LIMIT: Final = SEND_WITHIN + timedelta(seconds=WRITE_TIMEOUT)
"""For a call that may alter AWS: shorter than the consistency delay, after which an observation
shows its result."""
ANSWER_GRACE: Final = timedelta(seconds=5)
"""Nearly every change is answered by then; an order or a signal abandons a call only after it."""
BEAT: Final = 0.25
"""Seconds of real time within which a wait notices an order, a signal or a deadline."""
MOST_LEFT: Final = 8
"""Maximum number of abandoned threads.  Nearly all end when their connection is closed; a name
resolution or a credential provider may take longer."""

_SLOW: Final = (
    "check the network path to AWS; a run retries by itself, other commands have to be repeated"
)


def nothing() -> None:
    """Do nothing."""


class CallThreads:
    """Makes AWS calls in threads, at most *parallel* changes at a time (``ports.Calls``).

    *renew* is called when a read exceeds its limit, so that the next read uses a new session.
    """

    def __init__(
        self,
        parallel: int = 4,
        *,
        renew: Callable[[], None] = nothing,
        change_limit: timedelta = CHANGE_LIMIT,
    ) -> None:
        self._parallel = parallel
        self._renew = renew
        self._change_limit = change_limit
        self._left: set[_Call[Any]] = set()

    def read(
        self, what: str, limit: timedelta, work: Callable[[], T], new_wait_check: NewWaitCheck
    ) -> T:
        """Return the result of *work* (``ports.Calls``)."""
        self._require_room(what)
        wait_check = new_wait_check()
        ended: SimpleQueue[int] = SimpleQueue()
        call = _Call(work, Allowance(limit, limit), lambda: ended.put(0), what)
        try:
            self._wait(call, ended, wait_check)
        except BaseException:
            self._leave(call)
            raise
        return call.result()

    def _wait(self, call: _Call[T], ended: SimpleQueue[int], wait_check: WaitCheck) -> None:
        while not _has_ended(ended):
            if call.late:
                self._renew()
                limit = span(call.in_flight.limit)
                raise AwsUnreadableError(
                    f"{call.asks} has not answered in full within {limit}", advice=_SLOW
                )
            if why := wait_check(call.in_flight):
                raise AwsUnreadableError(
                    f"{call.asks} had not answered yet when the wait was stopped: {why}"
                )

    def send(
        self, works: Sequence[Callable[[], Outcome]], new_wait_check: NewWaitCheck
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield index and outcome of each of *works*, sent once each (``ports.Calls``)."""
        wait_check = new_wait_check()
        ended: SimpleQueue[int] = SimpleQueue()
        waiting = deque(enumerate(works))
        running: dict[int, _Call[Outcome]] = {}
        why = ""
        try:
            while waiting or running:
                while waiting and len(running) < self._parallel:
                    index, work = waiting.popleft()
                    if never := why or self._full:
                        yield index, _not_sent(never)
                    else:
                        running[index] = self._begin(work, index, ended)
                if not running:
                    return
                try:
                    index = ended.get(timeout=BEAT)
                except Empty:
                    why = _wait_check(running.values(), wait_check) or why
                    for index in [i for i, call in running.items() if call.is_over(why)]:
                        yield index, self._given_up(running.pop(index), why)
                else:
                    if index in running:
                        yield index, running.pop(index).result()
        finally:
            for call in running.values():
                self._leave(call)

    def _begin(
        self, work: Callable[[], Outcome], index: int, ended: SimpleQueue[int]
    ) -> _Call[Outcome]:
        allowance = Allowance(self._change_limit, min(SEND_WITHIN, self._change_limit))
        return _Call(work, allowance, lambda: ended.put(index), "the call")

    def _given_up(self, call: _Call[Outcome], why: str) -> Outcome:
        why = why or f"no answer within {span(self._change_limit)}"
        return InDoubt(why) if self._leave(call) else _not_sent(why)

    def _leave(self, call: _Call[Any]) -> bool:
        """Abandon *call*; return whether a request of it that may alter AWS was sent."""
        sent = call.leave()
        self._left = {each for each in (*self._left, call) if each.is_at_work}
        return sent

    def _require_room(self, what: str) -> None:
        if full := self._full:
            raise AwsUnreadableError(f"{what} was not requested: {full}", advice=_SLOW)

    @property
    def _full(self) -> str:
        """The reason why no further call may start; empty if one may."""
        self._left = {each for each in self._left if each.is_at_work}
        if len(self._left) < MOST_LEFT:
            return ""
        return f"{len(self._left)} abandoned calls have not ended yet"


class _Call(Generic[T]):
    """A call in a daemon thread."""

    def __init__(
        self, work: Callable[[], T], allowance: Allowance, ended: Callable[[], None], what: str
    ) -> None:
        self._work = work
        self._allowance = allowance
        self._ended = ended
        self._what = what
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="aws-call", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with within(self._allowance):
                self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001  it is raised by ``result``
            self._error = error
        finally:
            self._ended()

    def result(self) -> T:
        """Return the result, or raise the error, of a call that has ended."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def leave(self) -> bool:
        """Abandon the call; return whether a request that may alter AWS was sent."""
        return self._allowance.leave()

    def is_over(self, why: str) -> bool:
        """Return whether to abandon it: it is late, or must end and its grace time has passed."""
        return self.late or bool(why and self._allowance.waited >= ANSWER_GRACE)

    @property
    def late(self) -> bool:
        """Whether it has exceeded its limit."""
        return self._allowance.waited > self._allowance.limit

    @property
    def is_at_work(self) -> bool:
        """Whether its thread is still running."""
        return self._thread.is_alive()

    @property
    def asks(self) -> str:
        """Its current request."""
        return self._allowance.action or self._what

    @property
    def in_flight(self) -> InFlight:
        """Its request, duration, limit and progress."""
        allowance = self._allowance
        return InFlight(self.asks, allowance.waited, allowance.limit, allowance.progress)


def _has_ended(ended: SimpleQueue[int]) -> bool:
    try:
        ended.get(timeout=BEAT)
    except Empty:
        return False
    return True


def _wait_check(running: Iterable[_Call[Outcome]], wait_check: WaitCheck) -> str:
    """Return the reason to stop waiting for *running*, or an empty string."""
    oldest = max(running, key=lambda call: call.in_flight.waited)
    return wait_check(oldest.in_flight)


def _not_sent(why: str) -> Later:
    return Later(f"not sent: {why}", OFFLINE_LIMIT)
