"""Allowance: limits of one call in time, bytes and time of sending.

An allowance belongs to the thread that makes the call.  The waiting thread may abandon the call;
after that the call sends nothing more.
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
"""Maximum of one answer.  The largest within the quotas is a page of 100 route tables with 1,000
routes each (domain.md 5), about 25 MB; the parser needs ten times that in memory."""
CALL_BYTES: Final = 2 * ANSWER_BYTES
"""Maximum of all answers of one call, such as an observation with its pages."""

_MACHINE: Final = SystemClock()
"""Its uptime cannot be set, and includes the time while the machine sleeps."""
_DISCARD: Final = struct.pack("ii", 1, 0)


class Allowance:
    """Remaining time and bytes of one call; shared by the calling and the waiting thread.

    A request may be sent until *send_within* has passed, an answer received until *limit* has.
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
        """The current request, as IAM names it."""
        self.progress = ""
        """How much of a call with many requests is done; empty if that is not known."""

    @property
    def waited(self) -> timedelta:
        """Time since the start of the call."""
        return _MACHINE.uptime() - self._began

    @property
    def limit(self) -> timedelta:
        """Maximum duration of the call."""
        return self._limit

    def require_time(self) -> None:
        """Check that the call may start another request.

        Raises:
            NotSentError: The call was abandoned, or its time to send has passed.
        """
        if self._left or self.waited > self._send_within:
            raise NotSentError(f"not sent: the call has been under way for {_length(self.waited)}")

    def begin_sending(self, through: socket.socket, *, alters: bool) -> None:
        """Allow a request to be sent *through* an open connection, or refuse it permanently.

        *alters* is true if the request may alter AWS: when such a call is abandoned, its result
        is unknown.

        Raises:
            NotSentError: The call was abandoned, or its time to send has passed.
        """
        with self._lock:
            self.require_time()
            self._socket = through
            self._sent = self._sent or alters

    def take(self, size: int) -> None:
        """Count *size* bytes of an answer.

        Raises:
            UnexpectedAnswerError: The answer is too long or too late.
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
        """Release the connection, which may now serve another call."""
        with self._lock:
            self._socket = None

    def leave(self) -> bool:
        """Abandon the call; return whether a request that may alter AWS was sent.

        No request is sent after that.  Its connection is closed, which ends most threads at
        once.
        """
        with self._lock:
            self._left = True
            through, self._socket = self._socket, None
        if through is not None:
            with suppress(OSError):
                # The TLS layer of another thread's connection must not be used.
                socket.socket.shutdown(through, socket.SHUT_RDWR)
        return self._sent


def discard_what_was_not_delivered(through: socket.socket) -> None:
    """Configure *through* to discard undelivered data when it is closed.

    Otherwise the kernel would retry for minutes after the run has abandoned the call.
    """
    with suppress(OSError):
        through.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)


_allowance: ContextVar[Allowance | None] = ContextVar("vpnmigrate-allowance", default=None)
"""One per thread; botocore runs in the thread that calls it."""


def current() -> Allowance | None:
    """Return the allowance of this thread's call, or None if it has no limit."""
    return _allowance.get()


@contextmanager
def within(allowance: Allowance) -> Iterator[None]:
    """Apply *allowance* to every AWS request of this thread."""
    before = _allowance.set(allowance)
    try:
        yield
    finally:
        _allowance.reset(before)


def asks(action: str) -> None:
    """Record the current request of this thread's call, for the message if no answer comes."""
    allowance = current()
    if allowance is not None:
        allowance.action = action


def reports(progress: str) -> None:
    """Record the *progress* of this thread's call, for the operator who waits for it."""
    allowance = current()
    if allowance is not None:
        allowance.progress = progress


def _length(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"


def _size(number: int) -> str:
    return f"{number / MEBIBYTE:.0f} MiB"
