"""Signals: the first stops between two changes, the second at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from vpnmigrate.commands import Command, cli
from vpnmigrate.errors import Exit
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.text import command

_STOPS = (signal.SIGINT, signal.SIGTERM)


class SignalHandler:
    """What the operator's signals ask of the run; the runner reads it between two changes.

    *cutting* tells whether traffic hangs on this process right now: then a lost terminal changes
    nothing, because the terminal may well run through the VPN that is being cut.  *resume* gives
    the command that goes on from where the run is.
    """

    def __init__(
        self,
        console: MessageOutput,
        cutting: Callable[[], bool],
        resume: Callable[[], Command | None] = lambda: cli("status"),
    ) -> None:
        self._console = console
        self._cutting = cutting
        self._resume = resume
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop at the next safe point, or None."""
        return self._reason

    def receive(self, number: int) -> None:
        """Take notice of signal *number*."""
        name = signal.Signals(number).name
        if number == signal.SIGHUP and self._cutting():
            self._console.print_line("the terminal is gone; the cutover goes on without it")
        elif self._reason is None:
            self._reason = f"{name} received"
            self._console.print_line(
                f"{name}: stops after the call in flight; once more stops now."
            )
            self._tell_how_to_go_on()
        elif number == signal.SIGHUP:
            pass  # one wish is enough: a dying terminal may hang up more than once
        else:
            self._console.print_line(f"{name} again: stopped.")
            self._tell_how_to_go_on()
            # Nothing may run after the second wish: not a handler, not a retry, not a thread.
            os._exit(Exit.INTERRUPTED)

    def _tell_how_to_go_on(self) -> None:
        resume = self._resume()
        if resume is not None:
            self._console.print_line(command(resume, first="  go on:    "))


@contextmanager
def handle_signals(stop_request: SignalHandler) -> Iterator[None]:
    """Let *interruption* receive this process's signals for a while."""

    def receive(number: int, frame: FrameType | None) -> None:
        del frame
        stop_request.receive(number)

    # What a parent has us ignore (nohup, a background job) stays ignored.
    heard = [n for n in (*_STOPS, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def to_the_end(work: Callable[[], int]) -> int:
    """Return the exit code of *work*; no late Ctrl-C puts a signal in its place.

    The first one has been heeded by then, and another may come while the farewell is said.
    """
    try:
        code = work()
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


@contextmanager
def ignore_sighup() -> Iterator[None]:
    """Let no terminal that goes away end this process."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
