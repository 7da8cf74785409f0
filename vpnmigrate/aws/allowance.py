"""Allowance: time, bytes and last moment of sending of one call.

An allowance belongs to the thread that makes the call.  Whoever waits for that thread may leave it
behind; from then on it sends nothing more.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Final

from vpnmigrate.aws.errors import NotSentError, UnexpectedAnswerError
from vpnmigrate.model.clock import SystemClock

MEBIBYTE: Final = 2**20
ANSWER_BYTES: Final = 32 * MEBIBYTE
"""For one answer.  The largest that the quotas allow is a page of 100 route tables with 1,000
routes each (domain.md 5), about 25 MB; the parser takes ten times that in memory."""
CALL_BYTES: Final = 2 * ANSWER_BYTES
"""For all answers of one call of ours, such as a look with its pages."""

_MACHINE: Final = SystemClock()
"""Nobody sets its uptime, which counts while the machine sleeps."""
_DISCARD: Final = struct.pack("ii", 1, 0)


class Allowance:
    """What is left of one call's time and bytes; for the calling thread and the one that waits.

    A request may leave until *send_within* has passed, and an answer may come until *limit* has.
    """

    def __init__(self, limit: timedelta, send_within: timedelta, most: int = CALL_BYTES) -> None:
        self._limit = limit
        self._began = _MACHINE.uptime()
        self._send_within = send_within
        self._bytes = most
        self._lock = threading.Lock()
        self._left = False
        self._sent = False
        self._socket: socket.socket | None = None
        self.action = ""
        """What is asked at the moment, as IAM names it."""

    @property
    def waited(self) -> timedelta:
        """How long the call has taken so far."""
        return _MACHINE.uptime() - self._began

    @property
    def limit(self) -> timedelta:
        """How long it may take."""
        return self._limit

    def require_time(self) -> None:
        """Refuse to begin another request of a call that was left or has used up its time.

        Raises:
            NotSentError: It was, or has.
        """
        if self._left or self.waited > self._send_within:
            raise NotSentError(f"not sent: the call has been under way for {_length(self.waited)}")

    def begin_sending(self, through: socket.socket, *, alters: bool) -> None:
        """Let a request leave *through* a connection that stands, or never.

        *alters* tells that it may alter AWS: who leaves the call then cannot know what became of
        it.

        Raises:
            NotSentError: It may not leave any more.
        """
        with self._lock:
            self.require_time()
            self._socket = through
            self._sent = self._sent or alters

    def take(self, size: int) -> None:
        """Count *size* bytes of an answer.

        Raises:
            UnexpectedAnswerError: They are too many, or come too late.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise UnexpectedAnswerError(
                f"the answers to one call are longer than {_size(CALL_BYTES)}"
            )
        if self._left or self.waited > self._limit:
            raise UnexpectedAnswerError(
                f"the answer did not come in full within {_length(self._limit)}"
            )

    def end_exchange(self) -> None:
        """Forget the connection: it may serve another call now."""
        with self._lock:
            self._socket = None

    def leave(self) -> bool:
        """Wait for the call no longer; return whether a request that alters AWS has left.

        None leaves after that.  Its connection is closed, which ends most threads at once.
        """
        with self._lock:
            self._left = True
            through, self._socket = self._socket, None
        if through is not None:
            with suppress(OSError):
                # The TLS layer of another thread's connection is not to be touched.
                socket.socket.shutdown(through, socket.SHUT_RDWR)
        return self._sent


def discard_what_was_not_delivered(through: socket.socket) -> None:
    """Have the kernel drop what it has not delivered when *through* is closed.

    It would go on trying for minutes, when the run has taken the call for lost long since.
    """
    with suppress(OSError):
        through.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)


_allowance: ContextVar[Allowance | None] = ContextVar("vpnmigrate-allowance", default=None)
"""Each thread has its own; botocore works in the thread that calls it."""


def current() -> Allowance | None:
    """Return the allowance of this thread's call; None where nobody limits it."""
    return _allowance.get()


@contextmanager
def within(allowance: Allowance) -> Iterator[None]:
    """Let everything that this thread asks of AWS count on *allowance*."""
    before = _allowance.set(allowance)
    try:
        yield
    finally:
        _allowance.reset(before)


def asks(action: str) -> None:
    """Note what this thread's call asks now, for whoever tells that no answer comes."""
    allowance = current()
    if allowance is not None:
        allowance.action = action


def _length(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"


def _size(number: int) -> str:
    return f"{number / MEBIBYTE:.0f} MiB"
