"""Signals: the first stops a run between two changes, or asks; the second stops it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from vpnmigrate.model.errors import Exit
from vpnmigrate.model.errors.commands import Command, cli
from vpnmigrate.model.stop import StopAction
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.text import command, wrapped

if TYPE_CHECKING:
    from vpnmigrate.engine.ports import StopRequest

_STOPS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], Any]

_EFFECTS = {
    StopAction.STOP: ("finishing the current AWS call. Press Ctrl-C again to stop immediately."),
    StopAction.ASK: "traffic is down. Press Ctrl-C again to stop immediately.",
    StopAction.ROLL_BACK: (
        "traffic is down, and the plan's back-out policy rolls back.\n"
        "  A second signal stops immediately."
    ),
    StopAction.RESTORE_FIRST: (
        "traffic is down; the rollback continues until it flows.\n"
        "  A second signal stops immediately."
    ),
}


class SignalHandler:
    """Stop request from the operator's signals; the runner reads it between two changes.

    *cutting* returns whether the cutover is under way.  Then a lost terminal does not stop the run,
    because the terminal's connection may use the VPN that is being migrated.  *resume* returns the
    command that resumes the run, *traffic* the path of traffic, and *operator_present* whether an
    operator can be asked at this terminal.  *action* returns what a request means; its argument is
    whether an operator there made it.
    """

    def __init__(
        self,
        console: MessageOutput,
        cutting: Callable[[], bool],
        resume: Callable[[], Command | None] = lambda: cli("status"),
        *,
        action: Callable[[bool], StopAction] = lambda _: StopAction.STOP,
        operator_present: Callable[[], bool] = lambda: False,
        traffic: Callable[[], str] = lambda: "",
    ) -> None:
        self._console = console
        self.cutting = cutting
        self._resume = resume
        self._action = action
        self._operator_present = operator_present
        self._traffic = traffic
        self._reason: str | None = None
        self._asks = False

    @property
    def reason(self) -> str | None:
        """The reason to stop at the next safe point, or None."""
        return self._reason

    @property
    def asks(self) -> bool:
        """Whether the operator pressed Ctrl-C at this process's terminal."""
        return self._asks

    def withdraw(self) -> None:
        """Remove the request: the next signal counts as the first again."""
        self._reason, self._asks = None, False

    def receive(self, number: int) -> None:
        """Handle signal *number*."""
        name = signal.Signals(number).name
        if number == signal.SIGHUP and self.cutting():
            self._console.print_line("terminal lost; the cutover continues without it")
        elif self._reason is None or (self._asks and number == signal.SIGTERM):
            self._asks = number == signal.SIGINT and self._operator_present()
            self._reason = f"{name} received"
            action = self._action(self._asks)
            self._console.print_line(f"{name}: {_EFFECTS[action]}")
            if action is StopAction.STOP:
                self._show_resume_command()
        elif number == signal.SIGHUP:
            pass  # A closing terminal may send SIGHUP more than once; only the first one counts.
        else:
            self._console.print_line(f"{name} again: stopped immediately.")
            self._console.print_line(wrapped(self._traffic(), first="  traffic:  "))
            self._show_resume_command()
            if self._console.input_line is not None:
                self._console.input_line.close()
            # Nothing may run after the second signal: no handler, no retry, no thread.
            os._exit(Exit.INTERRUPTED)

    def suspend(self) -> None:
        """Stop this process until it is continued (``fg``), after a message about the traffic."""
        held = wrapped(f"Suspended; `fg` resumes the run. Traffic: {self._traffic()}")
        with self._console.without_screen(held):
            stop_this_process()

    def _show_resume_command(self) -> None:
        resume = self._resume()
        if resume is not None:
            self._console.print_line(command(resume, first="  next:     "))


class SessionSignals(Protocol):
    """What stops a session from outside: the signals of its process, or the worker that has it."""

    def request(self, handler: SignalHandler) -> StopRequest:
        """Return the request to stop that the run reads; signals go to *handler*."""
        ...

    def handle(self, handler: SignalHandler) -> AbstractContextManager[None]:
        """Return the context in which *handler* receives signals."""
        ...

    def restore(self) -> None:
        """End the session: restore what was there before it."""
        ...


class RunSignals:
    """The signals of a session: handled by its run, and ignored from the end of the run on.

    While the journal is closed and the result is put together, a signal would replace an error
    that says that traffic is down.  ``restore`` ends that.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def request(self, handler: SignalHandler) -> StopRequest:
        """Return *handler*, which reads the signals."""
        return handler

    @contextmanager
    def handle(self, handler: SignalHandler) -> Iterator[None]:
        """Send this process's signals to *handler* inside the context."""

        def receive(number: int, frame: FrameType | None) -> None:
            del frame
            handler.receive(number)

        def suspend(number: int, frame: FrameType | None) -> None:
            del number, frame
            handler.suspend()

        self._before = _install((*_STOPS, signal.SIGHUP), receive)
        self._before |= _install((signal.SIGTSTP,), suspend)
        try:
            yield
        finally:
            _install(self._before, _ignore)

    def restore(self) -> None:
        """Restore the handlers that were there before the run."""
        _restore(self._before)
        self._before = {}


def stop_this_process() -> None:
    """Stop as at Ctrl-Z, and return when the process is continued."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)


def _install(numbers: Iterable[int], handler: _Handler) -> dict[int, Any]:
    """Set the handler of the signals *numbers*, and return what they had before.

    A signal that the parent process ignores (nohup, a background job) stays ignored.
    """
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def _restore(before: Mapping[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing; unlike ``SIG_IGN`` a child process does not inherit it."""


def to_the_end(work: Callable[[], int]) -> int:
    """Return the exit code of *work*, and ignore further interrupts while the process exits.

    The first interrupt is handled by then; others may arrive while the last message is printed, and
    before they are ignored.
    """
    code: int = Exit.INTERRUPTED
    once = [work]
    while True:
        try:
            if once:
                code = once.pop()()
            for number in (*_STOPS, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        except KeyboardInterrupt:
            continue
        return code


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM and SIGHUP inside the context, as Ctrl-C does.

    So every command ends with exit code 7, and closes what it has open.  While a run is under way
    ``RunSignals`` takes precedence.  A signal that the parent ignores stays ignored.
    """
    before = _install((signal.SIGTERM, signal.SIGHUP), signal.default_int_handler)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def at_suspension(leave: Callable[[], None]) -> Iterator[None]:
    """Call *leave* inside the context before this process is stopped by Ctrl-Z."""

    def suspend(number: int, frame: FrameType | None) -> None:
        del number, frame
        leave()
        stop_this_process()

    before = _install((signal.SIGTSTP,), suspend)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def ignore_sighup() -> Iterator[None]:
    """Ignore SIGHUP, so that a closed terminal does not end this process."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
