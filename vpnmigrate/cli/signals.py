"""Signals: the first stops a run between two changes, the second immediately."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from vpnmigrate.errors import Exit
from vpnmigrate.errors.commands import Command, cli
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.text import command

_STOPS = (signal.SIGINT, signal.SIGTERM)


class SignalHandler:
    """Stop request from the operator's signals; the runner reads it between two changes.

    *cutting* returns whether the cutover is under way.  Then a lost terminal does not stop the run,
    because the terminal's connection may use the VPN that is being migrated.  *resume* returns the
    command that resumes the run.
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
        """The reason to stop at the next safe point, or None."""
        return self._reason

    def receive(self, number: int) -> None:
        """Handle signal *number*."""
        name = signal.Signals(number).name
        if number == signal.SIGHUP and self._cutting():
            self._console.print_line("terminal lost; the cutover continues without it")
        elif self._reason is None:
            self._reason = f"{name} received"
            self._console.print_line(
                f"{name}: finishing the current AWS call. Press Ctrl-C again to stop immediately."
            )
            self._show_resume_command()
        elif number == signal.SIGHUP:
            pass  # A closing terminal may send SIGHUP more than once; only the first one counts.
        else:
            self._console.print_line(f"{name} again: stopped immediately.")
            self._show_resume_command()
            # Nothing may run after the second signal: no handler, no retry, no thread.
            os._exit(Exit.INTERRUPTED)

    def _show_resume_command(self) -> None:
        resume = self._resume()
        if resume is not None:
            self._console.print_line(command(resume, first="  next:     "))


@contextmanager
def handle_signals(stop_request: SignalHandler) -> Iterator[None]:
    """Send this process's signals to *stop_request* inside the context."""

    def receive(number: int, frame: FrameType | None) -> None:
        del frame
        stop_request.receive(number)

    # A signal that the parent process ignores (nohup, a background job) stays ignored.
    heard = [n for n in (*_STOPS, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def to_the_end(work: Callable[[], int]) -> int:
    """Return the exit code of *work*, and ignore further interrupts while the process exits.

    The first interrupt is handled by then; another may arrive while the last message is printed.
    """
    try:
        code = work()
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


@contextmanager
def ignore_sighup() -> Iterator[None]:
    """Ignore SIGHUP, so that a closed terminal does not end this process."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
